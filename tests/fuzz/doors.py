"""Clients that follow a log by one door after the other, as a property test drives them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import aiohttp

from tests.following import Stream, following, poll
from tests.returning import DURABLE, Returner
from tests.running import Parley

Tell = Callable[[Any, str], None]


class Door(Protocol):
    """A way to follow a log, while it is open."""

    async def close(self) -> None:
        """Follow no longer, as somebody whose network is gone."""


class Socket:
    """Socket.IO, as a client that comes back, or as a new one that brings a cursor."""

    def __init__(self, client: Returner) -> None:
        self._client = client

    async def close(self) -> None:
        """Lose the transport."""
        await self._client.drop()


class Reading:
    """A task that reads events over HTTP."""

    def __init__(self, reading: Awaitable[None]) -> None:
        self._task = asyncio.ensure_future(reading)

    async def close(self) -> None:
        """Stop in the middle of it."""
        self._task.cancel()
        await asyncio.wait([self._task])


class Traveller:
    """A user, the newest cursor that it has, and the seqs and payloads that it was told of."""

    def __init__(self, parley: Parley, who: str, secret: str) -> None:
        self.who = who
        self.seqs: list[int] = []
        self.payloads: list[Any] = []
        self.cursor: str | None = None
        self._parley, self._secret = parley, secret
        self._client: Returner | None = None
        self._door: Door | None = None

    @property
    def is_here(self) -> bool:
        """Tell whether a door is open."""
        return self._door is not None

    async def come(self, door: str) -> None:
        """Go on by a door, from the newest cursor."""
        ways = {"pid": self._come_back, "after": self._come_anew, "stream": self._stream, "poll": self._poll}
        self._door = await ways[door]()

    async def go(self) -> None:
        """Lose the connection."""
        assert self._door is not None
        await self._door.close()
        self._door = None

    async def end(self) -> None:
        """Leave for good."""
        if self._door is not None:
            await self.go()
        if self._client is not None:
            await self._client.close()

    def _tell(self, payload: Any, cursor: str) -> None:
        self.seqs.append(payload["seq"])
        self.payloads.append(payload)
        self.cursor = cursor

    async def _come_back(self) -> Door:
        """As a stock client does, by its pid; what it heard elsewhere is its newest offset."""
        if self._client is None or self._client.pid is None:
            return await self._come_anew()
        self._client.offset = self.cursor
        await self._client.connect()
        return Socket(self._client)

    async def _come_anew(self) -> Door:
        """As a new client that brings a cursor, if it has one."""
        if self._client is not None:
            await self._client.close()
        self._client = _Listening(self._parley.url, {"token": self._secret, "after": self.cursor}, self._tell)
        await self._client.connect()
        (ready,) = await self._client.hears("ready")
        self.cursor = self.cursor or ready["cursor"]
        return Socket(self._client)

    async def _stream(self) -> Door:
        """By server-sent events."""
        opened = asyncio.get_running_loop().create_future()
        reading = Reading(self._read_stream(opened))
        await opened
        return reading

    async def _read_stream(self, opened: asyncio.Future[None]) -> None:
        async with following(self._parley.bearer(self._secret), self.cursor) as stream:
            self._take(stream)
            opened.set_result(None)
            while await stream.block() is not None:
                self._take(stream)

    def _take(self, stream: Stream) -> None:
        for told in stream.told:
            if told.event in DURABLE:
                self._tell(told.data, told.id)
            elif told.id and self.cursor is None:
                self.cursor = told.id
        stream.told.clear()

    async def _poll(self) -> Door:
        """By asking again and again."""
        return Reading(self._read_polls())

    async def _read_polls(self) -> None:
        client = self._parley.bearer(self._secret)
        while True:
            try:
                answer = await poll(client, self.cursor, wait=5)
            except aiohttp.ClientError:
                return
            for told in answer["events"]:
                self._tell(told["data"], told["cursor"])
            self.cursor = answer["cursor"]


class _Listening(Returner):
    """A client that tells of durable events as they come."""

    def __init__(self, url: str, auth: dict[str, Any], tell: Tell) -> None:
        super().__init__(url, auth)
        self._tell = tell

    def _hear(self, name: str, payload: Any = None, *more: Any) -> None:
        super()._hear(name, payload, *more)
        if name in DURABLE:
            self._tell(payload, more[-1])
