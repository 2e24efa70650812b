// A peer: Socket.IO's own server for Node, as its documentation sets it up, with bufferutil for its frames.
// It speaks the events of Parley's namespaces with payloads of the same form. It stores nothing.
// With PEER_JWT_SECRET it admits only clients with a token, as Parley does.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import jwt from "jsonwebtoken";
import { Server } from "socket.io";

const SERVER_ID = "00000000-0000-0000-0000-000000000000";
const secret = process.env.PEER_JWT_SECRET;

const http = createServer();
const namespace = new Server(http, { serveClient: false }).of(`/servers/${SERVER_ID}`);
let seq = 0;

namespace.use((socket, next) => {
  const { token, entityId } = socket.handshake.auth;
  try {
    socket.data.id = secret ? jwt.verify(token, secret, { algorithms: ["HS256"] }).sub : entityId;
    next();
  } catch (error) {
    next(error);
  }
});

namespace.on("connection", (socket) => {
  const id = socket.data.id;

  socket.on("join", ({ channel_id }, ack) => {
    socket.join(channel_id);
    ack({ success: true });
  });

  socket.on("typing", ({ channel_id, is_typing }, ack) => {
    socket.to(channel_id).emit("typing", { channel_id, userId: id, is_typing });
    ack({ success: true, data: { channel_id } });
  });

  socket.on("submit", ({ channel_id, content }, ack) => {
    namespace.to(channel_id).emit("message", {
      id: randomUUID(),
      seq: ++seq,
      server_id: SERVER_ID,
      channel_id,
      roomId: channel_id,
      author_id: id,
      author_name: id,
      userId: id,
      agentId: null,
      text: content,
      source_type: "user_message",
      createdAt: Date.now(),
      metadata: {},
    });
    ack({ success: true });
  });
});

process.on("SIGTERM", () => process.exit(0));
http.listen(0, "127.0.0.1", 4096, () => console.log(`listens on ${http.address().port}`));
