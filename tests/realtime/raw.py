"""The transport's bytes, made and read by hand: frames, WebSockets and polling requests."""

import asyncio
import io
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import orjson

from server.admission import Admissions
from tests.running import Parley, Served
from tests.talking import NATIVE

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
PATIENCE = 30.0
PATH = "/socket.io/"
POLLING = {"EIO": "4", "transport": "polling"}
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
SEPARATOR = "\x1e"
UNKNOWN_SESSION = (400, '{"code":1,"message":"Session ID unknown"}')


def frame(
    opcode: int, payload: bytes, *, final: bool = True, reserved: int = 0, masked: bool = True
) -> bytes:
    """Return a client's frame, sound unless told otherwise."""
    size, mask = len(payload), 0x80 if masked else 0
    head = bytes(((0x80 if final else 0) | reserved << 4 | opcode,))
    if size < 126:
        head += bytes((mask | size,))
    elif size < 1 << 16:
        head += struct.pack("!BH", mask | 126, size)
    else:
        head += struct.pack("!BQ", mask | 127, size)
    if not masked:
        return head + payload
    key = b"\x01\x02\x03\x04"
    stretched = (key * (size // 4 + 1))[:size]
    return head + key + (int.from_bytes(payload) ^ int.from_bytes(stretched)).to_bytes(size)


def text(packet: str) -> bytes:
    """Return a frame with an Engine.IO packet."""
    return frame(TEXT, packet.encode())


def frames_in(received: bytes) -> list[tuple[int, bytes]]:
    """Return the whole frames that a server sent: opcode and payload."""
    found, at = [], 0
    while len(received) - at >= 2:
        size, head = received[at + 1], 2
        assert size < 128, "a server never masks"
        if size >= 126:
            head = 4 if size == 126 else 10
            size = int.from_bytes(received[at + 2 : at + head])
        if at + head + size > len(received):
            break
        found.append((received[at] & 0x0F, received[at + head : at + head + size]))
        at += head + size
    return found


async def until(met: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(patience):
        while not met():  # noqa: ASYNC110 - nothing tells when a count inside the server changes
            await asyncio.sleep(0.005)


class RawSocket(asyncio.Protocol):
    """A TCP connection whose bytes are written by hand."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.is_over = False
        self._more = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; called by the loop."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Keep what came; called by the loop."""
        self.received += data
        self._more.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end; called by the loop."""
        self.is_over = True
        self._more.set()

    async def have(self, met: Callable[[], bool]) -> None:
        """Wait until what came meets a condition; fail if the connection ends before that."""
        async with asyncio.timeout(PATIENCE):
            while not met():
                assert not self.is_over, bytes(self.received[-300:])
                self._more.clear()
                await self._more.wait()

    async def over(self) -> None:
        """Wait until the server has ended the connection."""
        async with asyncio.timeout(PATIENCE):
            while not self.is_over:
                self._more.clear()
                await self._more.wait()

    def send(self, data: bytes) -> None:
        """Write bytes."""
        self.transport.write(data)


class RawWebSocket(RawSocket):
    """A WebSocket whose frames are made by hand."""

    @property
    def frames(self) -> list[tuple[int, bytes]]:
        """The frames that came since the handshake."""
        return frames_in(bytes(self.received.partition(b"\r\n\r\n")[2]))

    @property
    def packets(self) -> list[str]:
        """The text packets that came."""
        return [payload.decode() for opcode, payload in self.frames if opcode == TEXT]

    def say(self, packet: str) -> None:
        """Send an Engine.IO packet as it stands."""
        self.send(text(packet))

    async def packet(self, beginning: str) -> str:
        """Wait for a packet that begins like this."""
        sought = beginning.encode()
        # Only then are all frames read anew: in a flood there is no time for that with each piece.
        await self.have(
            lambda: sought in self.received and any(packet.startswith(beginning) for packet in self.packets)
        )
        return next(packet for packet in self.packets if packet.startswith(beginning))

    async def closed(self) -> int:
        """Wait until the server has closed, and return the code it gave."""
        await self.over()
        codes = [struct.unpack("!H", payload[:2])[0] for opcode, payload in self.frames if opcode == CLOSE]
        assert len(codes) == 1, self.frames[-3:]
        return int(codes[0])

    async def join(self, secret: str, namespace: str = NATIVE) -> None:
        """Connect to a namespace."""
        self.say(f"40{namespace},{orjson.dumps({'token': secret}).decode()}")
        await self.packet(f'42{namespace},["ready"')

    async def settle(self) -> None:
        """Wait for the ack of one more event."""
        number = len(self.packets) + 1_000
        self.say(f'42{NATIVE},{number}["settle"]')
        await self.packet(f"43{NATIVE},{number}")


@asynccontextmanager
async def raw_connection(parley: Parley | Served) -> AsyncIterator[RawSocket]:
    """Open a TCP connection until the block ends."""
    loop = asyncio.get_running_loop()
    _, socket = await loop.create_connection(RawSocket, "127.0.0.1", _port(parley))
    try:
        yield socket
    finally:
        socket.transport.abort()
        await socket.over()


def handshake(query: str = "EIO=4&transport=websocket", key: bytes = KEY, more: bytes = b"") -> bytes:
    """Return the request that asks for a WebSocket."""
    return (
        b"GET /socket.io/?%b HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n%b\r\n" % (query.encode(), key, more)
    )


@asynccontextmanager
async def raw_websocket(parley: Parley | Served, sid: str | None = None) -> AsyncIterator[RawWebSocket]:
    """Open a WebSocket until the block ends: a session of its own, or one to upgrade another's."""
    loop = asyncio.get_running_loop()
    _, socket = await loop.create_connection(RawWebSocket, "127.0.0.1", _port(parley))
    try:
        socket.send(handshake("EIO=4&transport=websocket" + (f"&sid={sid}" if sid else "")))
        await socket.have(lambda: b"\r\n\r\n" in socket.received)
        assert socket.received.startswith(b"HTTP/1.1 101 "), bytes(socket.received)
        if sid is None:
            await socket.packet("0{")
        yield socket
    finally:
        socket.transport.abort()
        await socket.over()


def _port(parley: Parley | Served) -> int:
    return int(parley.url.rpartition(":")[2])


class Poller:
    """A client that polls, request by request."""

    def __init__(self, parley: Parley, sid: str) -> None:
        self.sid = sid
        self.heard: list[str] = []
        self._http = parley.session
        self._url = parley.url + PATH

    async def request(self, method: str, **options: Any) -> tuple[int, str]:
        """Send a request of the session and return its answer."""
        params = {**POLLING, "sid": self.sid}
        async with self._http.request(method, self._url, params=params, **options) as reply:
            return reply.status, await reply.text()

    async def post(self, *packets: str) -> tuple[int, str]:
        """Send packets in one payload."""
        return await self.request("POST", data=io.BytesIO(SEPARATOR.join(packets).encode()))

    async def poll(self) -> list[str]:
        """Poll once; heartbeats are answered and not returned."""
        status, body = await self.request("GET")
        assert status == 200, body
        packets = body.split(SEPARATOR)
        if "2" in packets:
            assert (await self.post("3"))[0] == 200
        found = [packet for packet in packets if packet != "2"]
        self.heard += found
        return found

    async def hear(self, met: Callable[[], bool]) -> None:
        """Poll until what was heard meets a condition."""
        async with asyncio.timeout(PATIENCE):
            while not met():
                await self.poll()

    async def join(self, secret: str) -> None:
        """Connect to the native namespace."""
        assert await self.post(f"40{NATIVE},{orjson.dumps({'token': secret}).decode()}") == (200, "ok")
        await self.hear(lambda: any('["ready"' in packet for packet in self.heard))

    async def ended(self) -> None:
        """Wait until the server keeps the session no longer."""
        async with asyncio.timeout(PATIENCE):
            while await self.post("3") == (200, "ok"):
                pass
        await self.assert_ended()

    async def assert_ended(self) -> None:
        """Check that the session is no more."""
        assert await self.request("GET") == await self.post("3") == UNKNOWN_SESSION

    @property
    def acks(self) -> list[int]:
        """The ids of the acks heard so far."""
        head = f"43{NATIVE},"
        return [int(p[len(head) :].partition("[")[0]) for p in self.heard if p.startswith(head)]


async def open_poller(parley: Parley) -> Poller:
    """Open a polling session."""
    url = parley.url + PATH
    async with parley.session.get(url, params=POLLING) as reply:
        body = await reply.text()
        assert (reply.status, body[0]) == (200, "0")
        return Poller(parley, orjson.loads(body[1:])["sid"])


def held_by(admissions: Admissions) -> list[object]:
    """Return everything that the server keeps of connections to namespaces."""
    fanout = admissions._fanout
    return [*fanout._rooms, *fanout._connections, *admissions.holders]
