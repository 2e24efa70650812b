"""A client that comes back: it counts the messages that it is sent, and checks that none is missing."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from typing import Any, cast

from benchmarks import websocket
from benchmarks.failure import BenchmarkFailed
from benchmarks.process import HOST, Server
from benchmarks.setting import SERVER_ID

_PATH = "/socket.io/?EIO=4&transport=websocket"
_NAMESPACE = f"/servers/{SERVER_ID},".encode()
_CONNECTED, _MESSAGE, _READY = b"40" + _NAMESPACE, b'["message",{"seq":', b'["ready",'
_EVENT, _ACK = b"42" + _NAMESPACE, b"43" + _NAMESPACE
DEADLINE = 120


class Returning(asyncio.Protocol):
    """One client, on one connection after the other.

    ``seqs`` are those of all messages so far; ``times``, if it is a list, gets the moment at which each
    came.
    """

    def __init__(self, server: Server, **auth: str) -> None:
        self.seqs: list[int] = []
        self.times: list[float] | None = None
        self.pid: str | None = None
        self.offset: bytes = b""
        self._server, self._auth = server, auth
        self._mask = secrets.token_bytes(4)
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._is_upgraded = False
        self._due = 0
        self._awaited: asyncio.Future[Any] | None = None

    async def connect(self) -> None:
        """Connect, as one who comes back if it was here, and wait until it is greeted."""
        auth: dict[str, str] = {"token": self._server.key, **self._auth}
        if self.pid is not None:
            auth |= {"pid": self.pid} | ({"offset": self.offset.decode()} if self.offset else {})
        self._connect = _CONNECTED + json.dumps(auth).encode()
        self._rest, self._is_upgraded = b"", False
        greeted = self._expect()
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, HOST, self._server.port)
        await asyncio.wait_for(greeted, DEADLINE)

    async def ask(self, event: str, payload: dict[str, Any]) -> Any:
        """Send an event and return what its ack carries."""
        answer = self._expect()
        self._send(_EVENT + b"1" + json.dumps([event, payload]).encode())
        (ack,) = json.loads(await asyncio.wait_for(answer, DEADLINE))
        if not ack["success"]:
            raise BenchmarkFailed(f"{event} was refused: {ack['error']}")
        return ack["data"]

    async def have(self, count: int) -> None:
        """Wait until so many messages have come in all, and check that they came in order."""
        if len(self.seqs) < count:
            self._due = count
            await asyncio.wait_for(self._expect(), DEADLINE)
        if self.seqs != sorted(set(self.seqs)):
            raise BenchmarkFailed("messages came twice, or out of order")

    def drop(self) -> None:
        """Lose the connection."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade; called by the loop."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(websocket.upgrade_request(_PATH, self._server.address))

    def data_received(self, data: bytes) -> None:
        """Handle every packet that is complete; called by the loop."""
        data = self._rest + data
        if not self._is_upgraded:
            _, end, data = data.partition(b"\r\n\r\n")
            self._is_upgraded = bool(end)
        frames, self._rest = websocket.split(data)
        for _, packet in frames:
            self._take(packet)

    def _take(self, packet: bytes) -> None:
        body = packet[len(_EVENT) :]
        if body.startswith(_MESSAGE):
            self._take_message(body)
        elif packet.startswith(_ACK):
            self._answer(packet[packet.index(b"[") :])
        elif body.startswith(_READY):
            self._answer(None)
        elif packet.startswith(_CONNECTED):
            self.pid = json.loads(packet[len(_CONNECTED) :])["pid"]
        elif packet.startswith(b"0"):
            self._send(self._connect)
        elif packet == b"2":
            self._send(b"3")

    def _take_message(self, body: bytes) -> None:
        self.seqs.append(int(body[len(_MESSAGE) : body.index(b",", len(_MESSAGE))]))
        self.offset = body[body.rindex(b',"') + 2 : -2]
        if self.times is not None:
            self.times.append(time.perf_counter())
        if len(self.seqs) == self._due:
            self._answer(None)

    def _expect(self) -> asyncio.Future[Any]:
        self._awaited = asyncio.get_running_loop().create_future()
        return self._awaited

    def _answer(self, value: Any) -> None:
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(value)

    def _send(self, packet: bytes) -> None:
        if self._transport is not None:
            self._transport.write(websocket.text_frame(packet, self._mask))
