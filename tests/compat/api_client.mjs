// Calls every public method of one version of elizaOS's api-client, and looks at what each returns.
//
// Usage: node api_client.mjs '{"version", "url", "apiKey", "agent", "entity", "other"}'
// `version` is that of the package, `apiKey` is absent in open mode, `agent` is the id of an agent that answers
// "You said: …", `entity` and `other` are ids of users. Prints one line of JSON:
//   {"existing": [method], "called": [method], "refused": [method], "failures": [{"check", "error"}]}

import { recording, publicMethods } from "./api_client/recording.mjs";
import { agents } from "./api_client/agents.mjs";
import { audio } from "./api_client/audio.mjs";
import { channels } from "./api_client/channels.mjs";
import { jobs } from "./api_client/jobs.mjs";
import { media } from "./api_client/media.mjs";
import { memory } from "./api_client/memory.mjs";
import { messages } from "./api_client/messages.mjs";
import { runs } from "./api_client/runs.mjs";
import { servers } from "./api_client/servers.mjs";
import { sessions } from "./api_client/sessions.mjs";
import { surroundings } from "./api_client/surroundings.mjs";
import { worlds } from "./api_client/worlds.mjs";

const world = JSON.parse(process.argv[2]);
const packageName = { "1.7.2": "api-client-17", "1.5.7": "api-client-15" }[world.version];
const { ElizaClient } = await import(packageName);

const called = new Set();
const refused = new Set();
const failures = [];

function client(headers = {}) {
  const config = { baseUrl: world.url, ...(world.apiKey && { apiKey: world.apiKey }), headers };
  return recording(ElizaClient.create(config), called);
}

const everybody = {
  ...world,
  // One that names no entity, as scripts do, and one that does, as elizaOS's web client does.
  client: client(),
  asEntity: client({ "X-Entity-Id": world.entity }),
  refused: (method) => refused.add(method),
};

const since16 = "jobs" in everybody.client ? [jobs, runs] : [];
const parts = [
  agents,
  worlds,
  servers,
  channels,
  messages,
  sessions,
  memory,
  media,
  audio,
  surroundings,
  ...since16,
];
for (const [check, run] of parts.flatMap((part) => Object.entries(part))) {
  try {
    await run(everybody);
  } catch (error) {
    failures.push({ check, error: error.stack, details: error.details });
  }
}

const existing = await publicMethods(everybody.client, packageName);
const report = { existing, called: [...called].sort(), refused: [...refused].sort(), failures };
process.stdout.write(`${JSON.stringify(report)}\n`);
