// media.*

import assert from "node:assert/strict";
import { assertHas, newChannel } from "./expecting.mjs";

// One pixel.
const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

async function assertServed({ url: base }, { url }) {
  const response = await fetch(new URL(url, base));
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("Content-Type"), "image/png");
  assert.deepEqual(Buffer.from(await response.arrayBuffer()), PNG);
}

export const media = {
  async "a file is uploaded to an agent, and served"(t) {
    const file = new Blob([PNG], { type: "image/png" });
    const params = { file, filename: "dot.png", contentType: "image/png", metadata: { from: "test" } };
    const uploaded = await t.client.media.uploadAgentMedia(t.agent, params);
    assertHas(uploaded, { type: "image", originalName: "dot.png", size: PNG.length });
    assert.match(uploaded.filename, /\.png$/);
    await assertServed(t, uploaded);
  },

  async "a file is uploaded to a channel, and served"(t) {
    const id = await newChannel(t, t.entity);
    const uploaded = await t.client.media.uploadChannelMedia(
      id,
      new File([PNG], "dot.png", { type: "image/png" }),
    );
    assertHas(uploaded, { type: "image/png", originalName: "dot.png", size: PNG.length });
    assert.match(uploaded.filename, /\.png$/);
    await assertServed(t, uploaded);
  },
};
