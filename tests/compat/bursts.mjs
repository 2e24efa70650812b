// One stock Socket.IO client that says a great deal in one tick.
//
// Usage: node bursts.mjs '{"url", "options", "event", "count", "payload", "pad", "binary", "timeout"}'
// Once it is welcomed it emits the event `count` times; "$n" in a text of the payload becomes the number,
// and "$x" becomes `pad` letters.
// With `binary` the payload's content is a Buffer of so many bytes. With `onward` each ack makes it emit
// one more, until the transport has been upgraded and `count` more are acknowledged. Each line on standard
// output is what came back: {"ack": <number>, "payload"}, {"heard": <text>}, {"failed": <number>},
// {"upgrade": <how many were emitted by then>}, {"disconnect": <reason>}.
// The end of standard input ends the process.

import { io } from "socket.io-client";

const { url, options, event, count, payload, pad, binary, timeout, onward } = JSON.parse(process.argv[2]);
const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const filled = JSON.stringify(payload).replaceAll("$x", "x".repeat(pad ?? 0));
const numbered = (n) => JSON.parse(filled.replaceAll("$n", n));

const socket = io(url, { forceNew: true, reconnection: false, ...options });
let emitted = 0;
let last = onward ? Infinity : count;

function emit() {
  const n = emitted;
  emitted += 1;
  const body = numbered(n);
  if (binary) body.content = Buffer.alloc(binary, Uint8Array.of(n >> 8, n & 255, 0, 255));
  const answered = (answer) => {
    tell({ ack: n, payload: answer });
    if (onward && emitted < last) emit();
  };
  if (timeout) {
    socket.timeout(timeout).emitWithAck(event, body).then(answered, () => tell({ failed: n }));
  } else {
    socket.emit(event, body, answered);
  }
}

socket.on("message", ({ text }) => tell({ heard: text }));
socket.on("disconnect", (reason) => tell({ disconnect: reason }));
socket.once("ready", () => {
  for (let n = 0; n < count; n += 1) emit();
});
socket.io.engine.once("upgrade", () => {
  tell({ upgrade: emitted });
  last = Math.max(emitted, count) + count;
});

process.stdin.resume().on("end", () => process.exit());
