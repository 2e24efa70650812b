// One stock Socket.IO client that comes back by itself and repeats what was not acknowledged.
//
// Usage: node returning.mjs '{"url", "options", "payload", "count"}'
// It submits the payload `count` times; "$n" in a text of it becomes the number. The client's own queue
// sends one at a time, and again after each reconnection until it has an ack.
// Each line on standard output is what came: {"ack": <number>, "payload"}, {"given up": <number>},
// {"heard": <text>}, {"draining": <notice>}, {"connect": <transport>}, {"disconnect": <reason>}.
// The end of standard input ends the process.

import { io } from "socket.io-client";

const { url, options, payload, count } = JSON.parse(process.argv[2]);
const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const quick = { reconnectionDelay: 20, reconnectionDelayMax: 200, ackTimeout: 20_000, retries: 1_000 };

const socket = io(url, { forceNew: true, ...quick, ...options });
socket.on("connect", () => tell({ connect: socket.io.engine.transport.name }));
socket.on("disconnect", (reason) => tell({ disconnect: reason }));
socket.on("server_draining", (notice) => tell({ draining: notice }));
socket.on("message", ({ text }) => tell({ heard: text }));
for (let n = 0; n < count; n += 1) {
  const body = JSON.parse(JSON.stringify(payload).replaceAll("$n", n));
  socket.emit("submit", body, (error, answer) => tell(error ? { "given up": n } : { ack: n, payload: answer }));
}

process.stdin.resume().on("end", () => process.exit());
