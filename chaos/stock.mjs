// Stock Socket.IO clients that come back by themselves.
//
// Usage: node stock.mjs DIR '{"<name>": {"url", "options"}, ...}'
// DIR is where socket.io-client is installed. Each line on standard output is what a client saw:
// {"client", "event", "arguments"}; "connect" tells since when the client had tried to connect, in seconds
// of the system's monotonic clock.
// The end of standard input ends the process.

import { createRequire } from "node:module";

const { io } = createRequire(`${process.argv[2]}/`)("socket.io-client");
const now = () => Number(process.hrtime.bigint()) / 1e9;
const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

for (const [client, { url, options }] of Object.entries(JSON.parse(process.argv[3]))) {
  let since = now();
  const socket = io(url, options);
  socket.io.on("reconnect_attempt", () => (since = now()));
  socket.on("connect", () => tell({ client, event: "connect", arguments: [since] }));
  socket.onAny((event, ...rest) => tell({ client, event, arguments: rest }));
}

process.stdin.resume().on("end", () => process.exit());
