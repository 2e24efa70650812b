"""Reading a log from a position on: the same for everybody who comes back, by whichever door.

A position can be gone on from if it stands in the log's present epoch and nothing after it has been
pruned. If not, nothing is replayed at all, and the client is told why.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from sqlalchemy import Connection

from rooms import epochs, store
from rooms.context import Context
from rooms.cursors import Cursor, Lag, Reason
from rooms.errors import Unavailable, server_not_found
from rooms.principals import Principal, Scope
from rooms.rows import Entry, Interval
from rooms.rules import MAX_LISTED, is_uuid
from rooms.tables import Server
from rooms.views import View

_NOWHERE: Mapping[str, int] = {}

PAGE_ENTRIES = 500
PAGE_BYTES = 128 * 1024
# How far one page looks for entries that its reader is shown.
MAX_SCAN = 20_000


@dataclass(frozen=True, slots=True)
class Resync:
    """What a client must be told that has to begin anew; ``oldest`` is what can still be replayed."""

    reason: Reason
    oldest: Cursor


@dataclass(frozen=True, slots=True)
class Start:
    """Where a client begins to read a server's log: where it was, or in the present, and why."""

    server: Server
    cursor: Cursor
    resync: Resync | None


class Reader(Protocol):
    """A client that reads a log; everything that its view shows up to its cursor it has been sent."""

    cursor: Cursor
    view: View

    @property
    def server_id(self) -> str:
        """Whose log it reads."""

    @property
    def principal(self) -> Principal:
        """Who the client is."""


class Placed(NamedTuple):
    """An entry, and the cursor of somebody who has been sent it."""

    entry: Entry
    cursor: Cursor


class Page(NamedTuple):
    """Entries in order of seq; everything that is shown up to ``end`` is among them."""

    entries: list[Entry]
    end: int


def judge(server: Server, cursor: Cursor) -> Resync | None:
    """Return None if the server's log can be replayed from the cursor on, or what keeps it from that."""
    if cursor.epoch != server.epoch:
        return Resync(Reason.EPOCH, oldest(server))
    first = min(cursor.seq, cursor.lag.after) if cursor.lag else cursor.seq
    return Resync(Reason.RETENTION, oldest(server)) if first < server.floor_seq else None


def oldest(server: Server) -> Cursor:
    """Return the first position that the server's log can be replayed from."""
    return Cursor(server.id, server.epoch, server.floor_seq)


async def settle(ctx: Context, server_id: str) -> None:
    """See to it that this node knows how far it has delivered the server's log; raise NotFound without it.

    What is looked up after that is no older than what this node will not deliver any more.
    """
    if not ctx.tail.knows(server_id):
        await find_start(ctx, server_id, None)


async def find_start(ctx: Context, server_id: str, stated: Cursor | None) -> Start:
    """Return where a client begins, which may say where in this log it was.

    A position beyond the end of the log proves that it lost that: it begins a new epoch then. Raises
    NotFound without the server.
    """
    server = await ctx.servers.find(server_id) if is_uuid(server_id) else None
    if server is None:
        raise server_not_found(server_id)
    if stated is not None and stated.epoch == server.epoch and stated.seq > server.seq:
        await epochs.begin_epoch(ctx, server_id, stated)
        return await find_start(ctx, server_id, stated)
    present = Cursor(server_id, *ctx.tail.settle(server_id, server.epoch, server.seq))
    resync = judge(server, stated) if stated else None
    return Start(server, present if stated is None or resync else stated, resync)


async def find_view(
    ctx: Context, principal: Principal, server_id: str, after: int, only: Collection[str] | None = None
) -> View:
    """Return what the principal is shown of the server's log after a seq, or of some of its channels."""
    if principal.may(Scope.MESSAGES_READ):
        return View(shows_all=True, only=only)
    return View(await find_stretches(ctx, principal, server_id, after), only=only)


async def find_stretches(
    ctx: Context, principal: Principal, server_id: str, after: int, parted: Mapping[str, int] = _NOWHERE
) -> list[tuple[str, Interval]]:
    """Return the stretches after a seq in which the principal was, or is, in a channel of the server.

    Those of a channel that began before its seq in ``parted`` do not count.
    """
    found = await ctx.database.read(
        lambda connection: store.participants.list_since(connection, server_id, principal.id, after)
    )
    return [
        (channel_id, Interval(max(joined_seq, after + 1), left_seq))
        for channel_id, joined_seq, left_seq in found
        if joined_seq > parted.get(channel_id, -1)
    ]


async def next_page(ctx: Context, reader: Reader) -> list[Placed] | None:
    """Return what the reader is to be sent next, and move its cursor behind that; None in the present.

    Nothing else runs between the last look at how far this node has delivered, and that None.
    """
    if reader.cursor.lag is not None:
        return await _make_up(ctx, reader, reader.cursor.lag)
    seq, until = reader.cursor.seq, ctx.tail.position(reader.server_id).seq
    if seq >= until:
        return None
    page = await read(ctx, reader.server_id, reader.view, seq, until)
    at = functools.partial(Cursor, reader.server_id, reader.cursor.epoch)
    reader.cursor = at(page.end)
    return [Placed(entry, at(entry.seq)) for entry in page.entries]


async def _make_up(ctx: Context, reader: Reader, lag: Lag) -> list[Placed]:
    """Return what is missing of one channel; the reader's position stays where it is."""
    channel_id, after, until = lag
    position = reader.cursor._replace(lag=None)
    whole = await find_view(ctx, reader.principal, reader.server_id, after, reader.view.only)
    view = whole.within(channel_id, Interval(after + 1, until + 1))
    page = await read(ctx, reader.server_id, view, after, until)
    if reader.cursor.lag is None:  # it has left the channel meanwhile
        return []
    reader.view.add_earlier(channel_id, Interval(after + 1, page.end + 1))
    reader.cursor = position if page.end >= until else position._replace(lag=lag._replace(after=page.end))
    return [Placed(entry, position._replace(lag=lag._replace(after=entry.seq))) for entry in page.entries]


async def read(ctx: Context, server_id: str, view: View, after: int, until: int) -> Page:
    """Return the first entries after a seq, up to another, that the view shows.

    An empty page ends at ``until``, unless more is to be looked through. Raises Unavailable if
    what is asked for has been pruned since the replay began.
    """
    recent = ctx.tail.read(server_id, after, PAGE_ENTRIES, PAGE_BYTES)
    if recent is not None:
        end = min(recent[-1].seq, until) if recent else until
        return Page([entry for entry in recent if entry.seq <= end and view.shows(entry)], end)
    async with ctx.replays:
        return await _read_log(ctx, server_id, view, after, min(until, after + MAX_SCAN))


async def _read_log(ctx: Context, server_id: str, view: View, after: int, until: int) -> Page:
    known = view.only if view.shows_all else view.known_channels
    channel_ids = None if known is None or len(known) > MAX_LISTED else known

    def work(connection: Connection) -> list[Entry]:
        found = store.log.read(connection, server_id, channel_ids, after, until, PAGE_ENTRIES, PAGE_BYTES)
        # Behind what was read: it may be pruned while it is being replayed.
        if store.servers.find(connection, [server_id])[server_id].floor_seq > after:
            raise Unavailable("What was to be replayed is no longer kept; come back to be told how to go on")
        return found

    found = await ctx.database.read(work)
    is_whole = len(found) < PAGE_ENTRIES and sum(len(entry.payload) for entry in found) < PAGE_BYTES
    end = until if is_whole else found[-1].seq
    return Page([entry for entry in found if view.shows(entry)], end)
