"""Reading: up to where somebody has read a channel, and how much of it is unread.

Whoever has read nothing yet begins where it joined. What one said oneself is never unread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection

from rooms import access, edits, servers, store
from rooms.context import Context
from rooms.edits import Target
from rooms.errors import channel_not_found
from rooms.principals import Principal
from rooms.rows import Unread
from rooms.rules import MAX_LISTED
from rooms.transaction import Transaction, one_by_one

MAX_COUNTED = 1_000  # more is not told apart


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a channel: an event by its ``seq``, or a message by its id, which knows its channel.

    ``server_id`` is the server that it must be in; None leaves that open.
    """

    principal: Principal
    channel_id: str | None = None
    seq: int | None = None
    message_id: str | None = None
    server_id: str | None = None


class Marked(NamedTuple):
    """Where a marker stands, and whether it has been moved there now."""

    unread: Unread
    is_new: bool


class _Step(NamedTuple):
    """A marker's place in the making."""

    principal: Principal
    channel_id: str
    seq: int


async def mark(ctx: Context, place: Place) -> Marked:
    """Move the principal's marker to a place, and return where it stands; it never goes back.

    Nothing is written if it stands there already, or further. A place beyond the channel's newest
    event is that event. Raises NotFound if the channel or the message is not for the principal to
    see, PermissionDenied unless it takes part.
    """

    def look_up(connection: Connection) -> tuple[_Step, Unread]:
        step = _find_step(connection, place)
        return step, _require_unread(connection, step.principal, step.channel_id)

    step, unread = await ctx.database.read(look_up)
    if step.seq <= unread.seq:
        return Marked(unread, is_new=False)
    await ctx.journal.append_one(_mark_all, step)
    return Marked(await find(ctx, step.principal, step.channel_id), is_new=True)


async def find(ctx: Context, principal: Principal, channel_id: str) -> Unread:
    """Return where the principal stands in a channel; the errors are those of :func:`mark`."""

    def read(connection: Connection) -> Unread:
        access.require_participant(access.require_standing(connection, principal, channel_id))
        return _require_unread(connection, principal, channel_id)

    return await ctx.database.read(read)


async def list_for(ctx: Context, principal: Principal, server_id: str) -> list[Unread]:
    """Return where the principal stands in its channels of the server; raise NotFound without that."""

    def read(connection: Connection) -> list[Unread]:
        servers.require(connection, server_id)
        return store.read_markers.list_of(connection, server_id, principal.id, MAX_COUNTED, MAX_LISTED)

    # It may have a million messages to pass: others must be served meanwhile.
    async with ctx.replays:
        return await ctx.database.read(read)


def _find_step(connection: Connection, place: Place) -> _Step:
    if place.message_id is not None:
        target = Target(place.principal, place.message_id, place.channel_id, place.server_id)
        message, standing = edits.locate(connection, target)
        seq = message.seq
    else:
        standing = access.require_standing(connection, place.principal, place.channel_id or "")
        seq = place.seq or 0
    channel = standing.channel
    if place.server_id not in (None, channel.server_id):
        raise channel_not_found(channel.id)
    access.require_participant(standing)
    return _Step(place.principal, channel.id, min(seq, channel.seq))


def _require_unread(connection: Connection, principal: Principal, channel_id: str) -> Unread:
    found = store.read_markers.find(connection, channel_id, principal.id, MAX_COUNTED)
    if found is None:
        raise channel_not_found(channel_id)
    return found


def _mark(transaction: Transaction, step: _Step) -> None:
    principal, channel_id, seq = step
    access.require_participant(access.require_standing(transaction.connection, principal, channel_id))
    store.read_markers.put(transaction.connection, channel_id, principal.id, seq, transaction.now)


_mark_all = one_by_one(_mark)
