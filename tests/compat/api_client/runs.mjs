// runs.*, which 1.5.7 does not have.

import assert from "node:assert/strict";
import { UUID, assertHas, assertMillisNow, eventually, newChannel, say } from "./expecting.mjs";

export const runs = {
  async "an agent's work on a message is a run"(t) {
    const { client, agent, entity } = t;
    const roomId = await newChannel(t, entity, agent);
    const asked = await say(t, roomId, entity, "hello");
    const list = () => client.runs.listRuns(agent, { roomId, limit: 5 });
    const listed = await eventually(list, ({ runs }) => runs[0]?.status === "completed");
    assertHas(listed, { total: 1, hasMore: false });
    const [run] = listed.runs;
    assert.match(run.runId, UUID);
    assertHas(run, { messageId: asked.id, roomId, entityId: entity });
    assertMillisNow(run.startedAt);
    assert.ok(run.endedAt >= run.startedAt);
    assert.equal(run.durationMs, run.endedAt - run.startedAt);
    assert.deepEqual((await client.runs.listRuns(agent, { roomId, status: "timeout" })).runs, []);
    const { summary, events } = await client.runs.getRun(agent, run.runId, roomId);
    assertHas(summary, { runId: run.runId, status: "completed", messageId: asked.id, roomId });
    assert.deepEqual(
      events.map(({ type }) => type),
      ["RUN_STARTED", "RUN_ENDED"],
    );
    for (const { timestamp } of events) assertMillisNow(timestamp);
  },
};
