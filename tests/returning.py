"""A Socket.IO client that comes back as stock ones do, and whose pid and offset a test may change."""

import asyncio
import itertools
from typing import Any, NamedTuple, cast

import aiohttp
import orjson

from tests.talking import NATIVE, PATIENCE

DURABLE = (
    "message",
    "message_updated",
    "message_deleted",
    "reaction",
    "participant_joined",
    "participant_left",
    "channel_cleared",
)


class Heard(NamedTuple):
    """An event that came; ``cursor`` is its last argument if that is a text."""

    name: str
    payload: Any
    cursor: str | None


class Returner:
    """One client of one namespace, and what it heard on all its connections."""

    def __init__(self, url: str, auth: dict[str, Any], namespace: str = NATIVE) -> None:
        self.auth = auth
        self.heard: list[Heard] = []
        self.pid: str | None = None
        self.offset: str | None = None
        self.recovered = False
        self.was_dismissed = False
        self.answer: Any = None  # to CONNECT
        self._url = f"{url}/socket.io/?EIO=4&transport=websocket"
        self._prefix = "" if namespace == "/" else f"{namespace},"
        self._numbers = itertools.count(1)
        self._acks: dict[int, asyncio.Future[Any]] = {}
        self._more = asyncio.Event()
        self._session = aiohttp.ClientSession()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._listening: asyncio.Task[None] | None = None

    async def connect(self) -> Any:
        """Open a connection, with pid and offset if there are any, and return the answer to CONNECT."""
        self._socket = await self._session.ws_connect(self._url, max_msg_size=0)
        await self._socket.receive(timeout=PATIENCE)
        known = {"pid": self.pid, "offset": self.offset} if self.pid else {}
        sent = {name: value for name, value in {**known, **self.auth}.items() if value is not None}
        self.answer = None
        await self._socket.send_str(f"40{self._prefix}{orjson.dumps(sent).decode()}")
        self._listening = asyncio.create_task(self._listen(self._socket))
        await self._until(lambda: self.answer is not None)
        return self.answer

    @property
    def transport(self) -> asyncio.Transport:
        """The TCP connection."""
        assert self._socket is not None
        return cast(asyncio.Transport, self._socket._writer.transport)

    async def drop(self) -> None:
        """Lose the transport."""
        self.transport.abort()
        await self.ended()

    async def ended(self) -> None:
        """Wait until the connection is over."""
        assert self._listening is not None
        await asyncio.wait_for(asyncio.shield(self._listening), PATIENCE)

    async def come_back(self) -> None:
        """Lose the transport, and connect again."""
        await self.drop()
        await self.connect()

    async def close(self) -> None:
        """Leave for good."""
        if self._listening is not None and not self._listening.done():
            await self.drop()
        await self._session.close()

    async def call(self, event: str, payload: Any = None) -> Any:
        """Send an event and return its ack."""
        number = next(self._numbers)
        self._acks[number] = asyncio.get_running_loop().create_future()
        assert self._socket is not None
        arguments = orjson.dumps([event, payload or {}]).decode()
        await self._socket.send_str(f"42{self._prefix}{number}{arguments}")
        return await asyncio.wait_for(self._acks[number], PATIENCE)

    async def data(self, event: str, payload: Any = None) -> Any:
        """Send an event that must succeed, and return what its ack carries."""
        ack = await self.call(event, payload)
        assert ack["success"] is True, ack
        return ack["data"]

    async def settle(self) -> None:
        """Wait until everything that was sent to this client so far is here."""
        await self.call("settle")

    async def hears(self, name: str, count: int = 1) -> list[Any]:
        """Wait until an event has come so often, and return all payloads."""
        await self._until(lambda: len(self.all(name)) >= count)
        return self.all(name)

    def all(self, *names: str) -> list[Any]:
        """Return the payloads of the events of these names so far."""
        return [heard.payload for heard in self.heard if heard.name in names]

    def texts(self) -> list[str]:
        """Return what the messages said."""
        return [message["text"] for message in self.all("message", "messageBroadcast")]

    async def _until(self, met: Any) -> None:
        async with asyncio.timeout(PATIENCE):
            while not met():
                self._more.clear()
                await self._more.wait()

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                await self._take(socket, message.data)
            self._more.set()
        self._more.set()

    async def _take(self, socket: aiohttp.ClientWebSocketResponse, packet: str) -> None:
        kind, rest = packet[:2], packet[2:].removeprefix(self._prefix)
        if packet == "2":
            await socket.send_str("3")
        elif kind in ("40", "44"):
            self.answer = orjson.loads(rest)
            pid = self.answer.get("pid")
            self.recovered = pid is not None and pid == self.pid
            self.pid = pid or self.pid
        elif kind == "41":
            self.was_dismissed = True
        elif kind == "42":
            self._hear(*orjson.loads(rest))
        elif kind == "43":
            number, bracket, data = rest.partition("[")
            self._acks.pop(int(number)).set_result(orjson.loads(bracket + data)[0])

    def _hear(self, name: str, payload: Any = None, *more: Any) -> None:
        last = (payload, *more)[-1]
        cursor = last if isinstance(last, str) else None
        self.heard.append(Heard(name, payload, cursor))
        if cursor is not None:
            self.offset = cursor
