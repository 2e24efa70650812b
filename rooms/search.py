"""Search: which messages say some words, among those that a principal may read.

Nothing is kept for it: the newest messages are looked through, so many at most, whatever the database. So
both databases find the same, what is deleted is gone at once, and no search costs more than another.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Connection

from rooms import access, channels, store
from rooms.access import Standing
from rooms.context import Context
from rooms.principals import Principal
from rooms.rows import Interval, Message, Said
from rooms.rules import BIGGEST_TIME, name_key

MAX_LOOKED_AT = 10_000  # messages
MAX_CHANNELS = 100  # those with the newest events
PAGE = 500  # messages of one channel that are read at once
SHARES = 10  # of a page that are read where there are several channels


Place = tuple[Said, Sequence[Interval]]


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for: all of the words, in one channel or in a server's, by one author or by all.

    ``since`` and ``until``, in epoch milliseconds, belong to what is searched. ``offset`` counts what was
    found.
    """

    principal: Principal
    server_id: str
    text: str = ""
    channel_id: str | None = None
    author_id: str | None = None
    since: int = 0
    until: int = BIGGEST_TIME
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """A page of what was found, the newest first, and whether there is more behind it.

    ``searched_to`` is the time back to which everything was looked at, or None if that is all there is.
    """

    messages: list[Message]
    has_more: bool
    searched_to: int | None


async def search(ctx: Context, wish: Search) -> Found:
    """Return the page that is asked for.

    Raises NotFound for a channel that the principal may not see, or without the server.
    """
    ids = [wish.channel_id] if wish.channel_id else await _list_channels(ctx, wish)

    def read(connection: Connection) -> Found:
        if wish.channel_id is not None:
            standings = [access.require_standing(connection, wish.principal, wish.channel_id)]
        else:
            standings = list(access.find_standings(connection, wish.principal, ids).values())
        return _Reader(connection, wish).find(standings)

    return await ctx.database.read(read)


async def _list_channels(ctx: Context, wish: Search) -> list[str]:
    visible = await channels.list_visible(ctx, wish.principal, wish.server_id)
    newest = heapq.nlargest(MAX_CHANNELS, visible, key=lambda channel: channel.seq)
    return [channel.id for channel in newest]


class _Reader:
    """Looks through channels together, the newest message first."""

    def __init__(self, connection: Connection, wish: Search) -> None:
        self._connection = connection
        self._wish = wish
        self._words = name_key(wish.text).split()
        self._count = 0  # messages that were looked at
        self._reached = wish.until  # back to which time

    def find(self, standings: Sequence[Standing]) -> Found:
        """Return the page that is asked for."""
        limit, offset = self._wish.limit, self._wish.offset
        size = PAGE // (1 if len(standings) == 1 else SHARES)
        said = heapq.merge(*(self._read(standing, size) for standing in standings), key=_newest_first)
        ids = [one.id for one in islice(self._matches(said), offset, offset + limit + 1)]
        messages = store.messages.find(self._connection, ids[:limit])
        is_cut = self._count == MAX_LOOKED_AT
        return Found(
            [messages[message_id] for message_id in ids[:limit]],
            len(ids) > limit,
            self._reached if is_cut else None,
        )

    def _matches(self, said: Iterable[Place]) -> Iterator[Said]:
        for one, intervals in islice(said, MAX_LOOKED_AT):
            self._count += 1
            self._reached = one.created_at
            if one.deleted_at is None and access.covers(intervals, one.seq) and self._is_meant(one):
                yield one

    def _is_meant(self, one: Said) -> bool:
        if self._wish.author_id not in (None, one.author_id):
            return False
        content = name_key(one.content)
        return all(word in content for word in self._words)

    def _read(self, standing: Standing, size: int) -> Iterator[Place]:
        """Give what was said in a channel, the newest first, each with what may be read there."""
        wish, visible = self._wish, access.visible(standing)
        before = (wish.until, BIGGEST_TIME)
        while True:
            page = store.search.list_back(self._connection, standing.channel.id, wish.since, before, size)
            yield from ((one, visible) for one in page)
            if len(page) < size:
                return
            before = (page[-1].created_at, page[-1].seq)


def _newest_first(place: Place) -> tuple[int, int]:
    said, _ = place
    return -said.created_at, -said.seq
