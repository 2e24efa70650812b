"""Clients for tests that follow a log over HTTP: by a stream of server-sent events, and by asking again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
import orjson

from tests.rest import API, Rest
from tests.running import Parley
from tests.talking import PATIENCE

EVENTS = f"{API}/events"


class Told(NamedTuple):
    """One block of a stream; what it does not have is empty."""

    id: str
    event: str
    raw: bytes

    @property
    def data(self) -> Any:
        """The JSON that the block carries."""
        return orjson.loads(self.raw)


class Stream:
    """A client of server-sent events, which reads block by block and keeps them all."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.told: list[Told] = []
        self._buffered = b""

    @property
    def last_id(self) -> str:
        """What a browser would send as Last-Event-ID."""
        return next(told.id for told in reversed(self.told) if told.id)

    def all(self, *names: str) -> list[Told]:
        """Return the events of these names so far."""
        return [told for told in self.told if told.event in names]

    @property
    def texts(self) -> list[str]:
        """What was said so far."""
        return [told.data["text"] for told in self.all("message")]

    async def block(self) -> Told | None:
        """Return the next block, or None at the end of the stream."""
        async with asyncio.timeout(PATIENCE):
            while b"\n\n" not in self._buffered:
                more = await self.response.content.readany()
                if not more:
                    return None
                self._buffered += more
        block, self._buffered = self._buffered.split(b"\n\n", 1)
        fields = dict(line.split(b": ", 1) for line in block.splitlines() if not line.startswith(b":"))
        told = Told(
            fields.get(b"id", b"").decode(), fields.get(b"event", b"").decode(), fields.get(b"data", b"")
        )
        self.told.append(told)
        return told

    async def wait_for(self, name: str, count: int = 1) -> list[Told]:
        """Read until an event of this name has come so often, and return all of them."""
        while len(found := self.all(name)) < count:
            assert await self.block() is not None, "the stream has ended"
        return found

    async def hear(self, *texts: str) -> None:
        """Read as many messages as there are texts; the last ones must say just these."""
        await self.wait_for("message", len(self.all("message")) + len(texts))
        assert self.texts[-len(texts) :] == list(texts)

    async def end(self) -> None:
        """Read until the stream has ended."""
        while await self.block() is not None:
            pass


@asynccontextmanager
async def following(
    client: Rest, last_event_id: str | None = None, *, path: str = EVENTS, **query: Any
) -> AsyncIterator[Stream]:
    """Open a stream until the block ends; it has been greeted already."""
    headers = {**client.headers} | ({"Last-Event-ID": last_event_id} if last_event_id else {})
    timeout = aiohttp.ClientTimeout(total=None)
    async with client.session.get(
        client.url + path, headers=headers, params=query, timeout=timeout
    ) as response:
        assert response.status == 200, await response.text()
        stream = Stream(response)
        await stream.wait_for("ready")
        yield stream


async def poll(
    client: Rest, after: str | None = None, wait: int = 0, *, path: str = EVENTS, **query: Any
) -> Any:
    """Ask once for what comes next, and return what is answered."""
    asked = {"wait": wait, **query} | ({"after": after} if after else {})
    return (await client.get(path, **asked)).data


def texts(answer: Any) -> list[str]:
    """Return what was said, as a poll answered it."""
    return [told["data"]["text"] for told in answer["events"] if told["event"] == "message"]


async def position(client: Rest, **query: Any) -> str:
    """Return the cursor of the present."""
    cursor: str = (await poll(client, **query))["cursor"]
    return cursor


async def say(parley: Parley, channel_id: str, *said: str) -> None:
    """Let ben say something."""
    items = [{"channel_id": channel_id, "author_id": "ben", "content": text} for text in said]
    for first in range(0, len(items), 20):
        batch = await parley.service.post(f"{API}/submit/batch", {"messages": items[first : first + 20]})
        assert all(outcome["success"] for outcome in batch.data)
