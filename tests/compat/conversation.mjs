// Stock Socket.IO clients for one conversation, driven line by line.
//
// Usage: node conversation.mjs '{"<name>": {"url", "options"}, ...}'
// Each line on standard input makes a client emit: {"client", "event", "payload", "ack": <number>}.
// Each line on standard output tells what a client saw: {"client", "event", "payload"} for events
// (also "connect", "connect_error", "disconnect" and "upgrade"), {"client", "ack", "payload"} for acks.
// The end of standard input ends the process, and with it every connection, as a closed tab does.

import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

function start([client, { url, options }]) {
  const socket = io(url, { forceNew: true, reconnection: false, ...options });
  const transport = () => socket.io.engine.transport.name;
  socket.onAny((event, payload) => tell({ client, event, payload }));
  socket.on("connect", () => tell({ client, event: "connect", payload: transport() }));
  socket.on("connect_error", ({ message, data }) =>
    tell({ client, event: "connect_error", payload: { message, data } }),
  );
  socket.on("disconnect", (reason) => tell({ client, event: "disconnect", payload: reason }));
  socket.io.engine.on("upgrade", () => tell({ client, event: "upgrade", payload: transport() }));
  return [client, socket];
}

const sockets = new Map(Object.entries(JSON.parse(process.argv[2])).map(start));

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { client, event, payload, ack } = JSON.parse(line);
    sockets.get(client).emit(event, payload, (answer) => tell({ client, ack, payload: answer }));
  })
  .on("close", () => process.exit());
