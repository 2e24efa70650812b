// Stock Socket.IO clients that lose their connections, with no option but what the test gives them.
//
// Usage: node recovering.mjs '{"<name>": {"url", "options"}, ...}'
// Each line on standard input makes a client do something: {"client", "event", "payload"} emits,
// {"client", "cut": true} drops its transport as a lost network does.
// Each line on standard output tells what a client saw: {"client", "event", "payload"}; "connect" tells
// whether the connection was recovered, "disconnect" why it went, "ack" what an emit was answered.
// The end of standard input ends the process.

import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

function start([client, { url, options }]) {
  const socket = io(url, options);
  socket.onAny((event, payload) => tell({ client, event, payload }));
  socket.on("connect", () => tell({ client, event: "connect", payload: socket.recovered }));
  socket.on("disconnect", (reason) => tell({ client, event: "disconnect", payload: reason }));
  return [client, socket];
}

const sockets = new Map(Object.entries(JSON.parse(process.argv[2])).map(start));

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { client, event, payload, cut } = JSON.parse(line);
    const socket = sockets.get(client);
    if (cut) socket.io.engine.close();
    else socket.emit(event, payload, (answer) => tell({ client, event: "ack", payload: answer }));
  })
  .on("close", () => process.exit());
