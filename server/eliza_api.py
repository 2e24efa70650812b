"""The REST API of an elizaOS 1.x server, by which what is in its embedded database can be read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import aiohttp
import orjson
import typer

from server.config import BadSetting

Row = dict[str, Any]

PAGE = 500
ANSWER_SECONDS = 120.0
WAIT_SECONDS = 60.0  # after a 429 that does not say for how long


@asynccontextmanager
async def opened(address: str, api_key: str | None) -> AsyncIterator[Api]:
    """Give the API of the server at an address; its calls raise BadSetting for what cannot be read."""
    headers = {"X-API-KEY": api_key} if api_key else {}
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        yield Api(session, address.rstrip("/"))


class _PathMissing(BadSetting):
    """There is no such path, or not on this version of the server."""


class _Words(NamedTuple):
    """What a version of the server calls things, in paths and in answers."""

    servers: str
    servers_of_agent: str
    found_servers: str
    channels: str


_WORDS = _Words("message-servers", "message-servers", "messageServers", "channels")
_WORDS_BEFORE_1_6_5 = _Words("central-servers", "servers", "servers", "central-channels")


class Api:
    """A source of elizaOS's rows."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._api = f"{url}/api"
        self._words = _WORDS

    async def servers(self) -> list[Row]:
        """Return the message servers."""
        try:
            found = await self._get(f"/messaging/{self._words.servers}")
        except _PathMissing:
            self._words = _WORDS_BEFORE_1_6_5
            found = await self._get(f"/messaging/{self._words.servers}")
        return [_of_api(row) for row in found[self._words.found_servers]]

    async def agents(self) -> list[Row]:
        """Return the agents that the server knows, with the ids of their message servers."""
        found: list[Row] = []
        for agent in (await self._get("/agents"))["agents"]:
            homes = await self._get(f"/messaging/agents/{agent['id']}/{self._words.servers_of_agent}")
            server_ids = homes[self._words.found_servers]
            found.append({"id": agent["id"], "name": agent.get("name") or "", "server_ids": server_ids})
        return found

    async def channels(self) -> list[Row]:
        """Return the channels of all servers, with their participants."""
        found: list[Row] = []
        for server in await self.servers():
            page = await self._get(f"/messaging/{self._words.servers}/{server['id']}/channels")
            found += [_of_api(row) | {"server_id": server["id"]} for row in page["channels"]]
        for channel in found:
            channel["participants"] = await self._get(f"{self._channel(channel['id'])}/participants")
        return sorted(found, key=lambda channel: (channel["created_at"], channel["id"]))

    async def count_messages(self) -> None:
        """Return None: the API does not tell."""

    async def messages(self, channel_ids: Sequence[str]) -> AsyncIterator[list[Row]]:
        """Yield the messages of one channel after the other, each in the order of their time."""
        for channel_id in channel_ids:
            found = await self._read(channel_id)
            for start in range(0, len(found), PAGE):
                yield found[start : start + PAGE]

    async def _read(self, channel_id: str) -> list[Row]:
        """Return all messages of a channel, the oldest first."""
        found: dict[str, Row] = {}
        limit, query = PAGE, dict[str, int]()
        while True:
            path = f"{self._channel(channel_id)}/messages"
            page = (await self._get(path, limit=limit, **query))["messages"]
            rows = [_of_api(row) for row in page]
            is_new = any(row["id"] not in found for row in rows)
            found |= {row["id"]: row for row in rows}
            if len(rows) < limit:
                # What shares a millisecond stays in the order in which the server has it.
                oldest_first = list(found.values())[::-1]
                return sorted(oldest_first, key=lambda row: int(row["created_at"]))
            # It shows what is older than a millisecond, and a page may end within one.
            query = {"before": min(row["created_at"] for row in rows) + 1}
            limit = limit if is_new else 2 * limit

    def _channel(self, channel_id: str) -> str:
        return f"/messaging/{self._words.channels}/{channel_id}"

    async def _get(self, path: str, **query: Any) -> Any:
        """Return what a path answers; raise BadSetting if it cannot be read."""
        try:
            while True:
                async with self._session.get(self._api + path, params=query) as response:
                    if response.status != 429:
                        return self._data(path, response.status, await response.read())
                    seconds = _patience(response.headers)
                typer.echo(f"{self._api} wants to be left alone; going on in {seconds:.0f} s", err=True)
                await asyncio.sleep(seconds)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise BadSetting(f"{self._api}: {error or 'it does not answer'}") from None

    def _data(self, path: str, status: int, body: bytes) -> Any:
        if status == 404:
            raise _PathMissing(
                f"{self._api}{path} answered 404: no elizaOS 1.x is there, or it has changed meanwhile"
            )
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            answer = None
        if status == 200 and isinstance(answer, dict) and "data" in answer:
            return answer["data"]
        hint = "; its ELIZA_SERVER_AUTH_TOKEN is wanted as --api-key" if status == 401 else ""
        raise BadSetting(f"{self._api}{path} answered {status}, and nothing that can be read{hint}")


def _patience(headers: Mapping[str, str]) -> float:
    """Return for how many seconds a server wants to be left alone."""
    stated = headers.get("Retry-After") or headers.get("RateLimit-Reset") or ""
    return float(stated) if stated.isdecimal() else WAIT_SECONDS


_API_NAMES = {
    "id": "id",
    "name": "name",
    "type": "type",
    "topic": "topic",
    "content": "content",
    "metadata": "metadata",
    "channel_id": "channelId",
    "author_id": "authorId",
    "raw_message": "rawMessage",
    "parent_id": "inReplyToRootMessageId",
    "source_type": "sourceType",
    "source_id": "sourceId",
}


def _of_api(row: Mapping[str, Any]) -> Row:
    """Return a row of the API under the names of the tables."""
    times = {"created_at": _moment(row["createdAt"]), "updated_at": _moment(row["updatedAt"])}
    return {ours: row.get(theirs) for ours, theirs in _API_NAMES.items() if theirs in row} | times


def _moment(value: str | float) -> int:
    """Return the epoch milliseconds of an ISO text, or of a number that is that already."""
    if isinstance(value, str):
        stated = datetime.fromisoformat(value)
        return round((stated if stated.tzinfo else stated.replace(tzinfo=UTC)).timestamp() * 1000)
    return int(value)
