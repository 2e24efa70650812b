"""The doors over Socket.IO: as stock clients come back, with a cursor in the handshake, and by joining."""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import orjson

from chaos.failure import CutOff
from chaos.listener import Listener
from chaos.site import NAMESPACE, Answer

# The node pings every second; who hears nothing for so long hangs on a dead connection.
SILENCE_SECONDS = 4.0

_PATH = "/socket.io/?EIO=4&transport=websocket"
_PREFIX = f"{NAMESPACE},"
_CONNECT, _DISCONNECT, _EVENT, _CONNECT_ERROR = "0", "1", "2", "4"


class Line:
    """One connection, spoken by hand; what is asked on it is answered while somebody reads it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._takers: dict[int, Callable[[Answer], None]] = {}
        self._waiting: set[asyncio.Future[Answer]] = set()

    async def connect(self, auth: Mapping[str, str]) -> None:
        """Ask to be let into the namespace."""
        await self._say("0", auth)

    async def send(self, event: str, payload: Any, take: Callable[[Answer], None]) -> None:
        """Send an event; its answer is taken before anything that the node sends after it."""
        number = next(self._numbers)
        self._takers[number] = take
        await self._say(f"2{number}", [event, payload])

    async def call(self, event: str, payload: Any) -> Answer:
        """Send an event and wait for its answer; raise CutOff if the connection ends before."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.add(answer)
        try:
            await self.send(event, payload, lambda it: None if answer.done() else answer.set_result(it))
            return await answer
        finally:
            self._waiting.discard(answer)

    async def read(self) -> tuple[str, Any]:
        """Return the next packet that is not a matter of the line itself: its kind, and what it holds."""
        while True:
            message = await self._socket.receive(timeout=SILENCE_SECONDS)
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise CutOff("the transport has been closed")
            packet: str = message.data
            rest = packet[2:].removeprefix(_PREFIX)
            if packet == "2":
                await self._socket.send_str("3")
            elif packet.startswith("43"):
                number, bracket, data = rest.partition("[")
                self._takers.pop(int(number))(Answer.read(orjson.loads(bracket + data)[0]))
            elif packet.startswith("4"):
                return packet[1], orjson.loads(rest) if rest else None

    def hang_up(self) -> None:
        """Let nobody wait for an answer any longer."""
        for answer in self._waiting:
            if not answer.done():
                answer.set_exception(CutOff("the connection ended before the answer"))

    async def _say(self, kind: str, data: Any) -> None:
        await self._socket.send_str(f"4{kind[0]}{_PREFIX}{kind[1:]}{orjson.dumps(data).decode()}")


class SocketDoor:
    """A WebSocket, on which the client may submit as well; it comes with the cursor that it has."""

    name = "handshake"

    def __init__(self) -> None:
        self.line: Line | None = None

    async def visit(self, listener: Listener) -> None:
        """Follow the log on one connection."""
        session = listener.site.session
        async with session.ws_connect(listener.site.proxy.url + _PATH, max_msg_size=0) as socket:
            line = Line(socket)
            try:
                await line.connect({"token": listener.token, **self._known(listener)})
                await self._follow(listener, line)
            finally:
                self.line = None
                line.hang_up()

    def _known(self, listener: Listener) -> dict[str, str]:
        """Return what the client says of where it was."""
        return {"after": listener.cursor} if listener.cursor else {}

    async def _follow(self, listener: Listener, line: Line) -> None:
        while True:
            kind, data = await line.read()
            if kind == _CONNECT and data is not None:
                self.line = line
                await self._connected(listener, data["pid"])
            elif kind == _EVENT:
                self._hear(listener, *data)
            elif kind == _CONNECT_ERROR:
                listener.site.note(data["data"]["code"], data["data"]["details"])
                raise CutOff(data["message"])
            elif kind == _DISCONNECT:
                raise CutOff("the node wants this connection no more")

    async def _connected(self, listener: Listener, pid: str) -> None:
        """Learn that the node has let the client in."""

    def _hear(self, listener: Listener, event: str, payload: Any = None, cursor: Any = None) -> None:
        if event == "ready":
            listener.begin(payload["cursor"])
        elif event == "resync_required":
            listener.begin_anew(payload["reason"])
        elif event == "cursor":
            listener.cursor = payload
        elif isinstance(cursor, str):
            listener.see(event, payload, cursor)


class ReturningDoor(SocketDoor):
    """Comes back as stock Socket.IO clients do: with its pid, and the last text that came with an event."""

    name = "pid"

    def __init__(self) -> None:
        super().__init__()
        self._pid: str | None = None
        self._offset: str | None = None

    def _known(self, listener: Listener) -> dict[str, str]:
        known = {"pid": self._pid, "offset": self._offset}
        return {name: text for name, text in known.items() if text is not None}

    async def _connected(self, listener: Listener, pid: str) -> None:
        self._pid = pid

    def _hear(self, listener: Listener, event: str, payload: Any = None, cursor: Any = None) -> None:
        last = payload if cursor is None else cursor
        self._offset = last if isinstance(last, str) else self._offset
        super()._hear(listener, event, payload, cursor)


class JoiningDoor(SocketDoor):
    """A service on a fresh connection each time, which joins one channel after the cursor that it has."""

    name = "join"

    def __init__(self, channel_id: str) -> None:
        super().__init__()
        self._channel_id = channel_id
        self._has_joined = False

    def _known(self, listener: Listener) -> dict[str, str]:
        self._has_joined = False
        return {}

    async def _connected(self, listener: Listener, pid: str) -> None:
        after = {"after": listener.cursor} if listener.cursor else {}
        assert self.line is not None  # noqa: S101 - this is its connection
        joining = {"channel_id": self._channel_id, **after}
        await self.line.send("join", joining, functools.partial(self._joined, listener))

    def _joined(self, listener: Listener, answer: Answer) -> None:
        if answer.code is not None:
            listener.site.note(answer.code, answer.details)
            raise CutOff(answer.details)
        self._has_joined = True
        listener.begin(answer.data["cursor"])
        if resync := answer.data.get("resync_required"):
            listener.begin_anew(resync["reason"])

    def _hear(self, listener: Listener, event: str, payload: Any = None, cursor: Any = None) -> None:
        # What comes before says where a connection stands that is in no channel.
        if self._has_joined:
            super()._hear(listener, event, payload, cursor)
