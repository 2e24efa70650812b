"""Socket.IO over one WebSocket, speaking raw Engine.IO packets."""

from __future__ import annotations

import asyncio
import json
import secrets

from benchmarks import websocket
from benchmarks.client import Client, Listener

_PATH = "/socket.io/?EIO=4&transport=websocket"
_PING, _PONG = b"2", b"3"


class WsClient(Client):
    """Submits with an event of a server's namespace, ``submit`` unless told, and waits for the ack."""

    door = "Socket.IO"

    def __init__(
        self, listener: Listener, host: str, key: str, server_id: str, event: str = "submit"
    ) -> None:
        super().__init__(listener)
        namespace = f"/servers/{server_id},".encode()
        self._upgrade = websocket.upgrade_request(_PATH, host)
        self._connect = b"40" + namespace + json.dumps({"token": key}).encode()
        self._event = b"42" + namespace
        self._ack = b"43" + namespace
        self._refusal = b"44" + namespace
        self._mask = secrets.token_bytes(4)
        self._name = event.encode()
        self._ack_id = 0
        self._rest = b""
        self._is_upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        super().connection_made(transport)
        self.transport.write(self._upgrade)

    def submit(self, body: bytes) -> None:
        """Send a message."""
        self._ack_id += 1
        self._send(b'%b%d["%b",%b]' % (self._event, self._ack_id, self._name, body))

    def data_received(self, data: bytes) -> None:
        """Handle every packet that is complete."""
        data = self._rest + data
        if not self._is_upgraded:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            if not head.startswith(b"HTTP/1.1 101 "):
                self.fail(f"no upgrade: {head[:60]!r}")
                return
            self._is_upgraded = True
        frames, self._rest = websocket.split(data)
        for opcode, payload in frames:
            if opcode == websocket.TEXT:
                self._handle(payload)
            else:
                self.fail(f"a frame of opcode {opcode}: {payload[:60]!r}")

    def _handle(self, packet: bytes) -> None:
        if packet.startswith(self._ack):
            self._acknowledged(packet[len(self._ack) :])
        elif packet == _PING:
            self._send(_PONG)
        elif packet.startswith(b"0"):
            self._send(self._connect)
        elif packet.startswith(self._event) and not self.ready.done():
            # The first event is "ready".
            self.ready.set_result(None)
        elif packet.startswith(self._refusal):
            self.fail(f"refused: {packet[:200]!r}")

    def _acknowledged(self, ack: bytes) -> None:
        ack_id, _, arguments = ack.partition(b"[")
        if int(ack_id) == self._ack_id:
            self._listener.answered(self, arguments[:-1])
        else:
            self.fail(f"an ack for {ack_id!r} instead of {self._ack_id}")

    def _send(self, packet: bytes) -> None:
        self.transport.write(websocket.text_frame(packet, self._mask))
