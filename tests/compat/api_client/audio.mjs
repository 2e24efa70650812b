// audio.*: Parley neither hears nor speaks, and says so.

import assert from "node:assert/strict";
import { assertRefused } from "./expecting.mjs";

const WAV = new Blob(
  [Buffer.from("UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=", "base64")],
  { type: "audio/wav" },
);

export const audio = {
  async "what needs a model of speech is refused clearly"({ client: { audio }, agent, refused }) {
    const calls = {
      speechConversation: () =>
        audio.speechConversation(agent, { audio: WAV, format: "wav", language: "en", metadata: {} }),
      synthesizeAudioMessage: () =>
        audio.synthesizeAudioMessage(agent, { messageId: crypto.randomUUID(), format: "wav" }),
      transcribe: () => audio.transcribe(agent, { audio: WAV, format: "wav" }),
      processSpeech: () => audio.processSpeech(agent, WAV, { from: "test" }),
    };
    for (const [method, call] of Object.entries(calls)) {
      await assertRefused(call(), 501, "NOT_IMPLEMENTED");
      refused(`audio.${method}`);
    }
    // This one shows the status alone.
    await assert.rejects(audio.generateSpeech(agent, { text: "hello" }), {
      message: "HTTP error! status: 501",
    });
    refused("audio.generateSpeech");
  },
};
