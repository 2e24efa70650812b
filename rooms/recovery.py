"""Coming back: a client that names its connection finds it again, where it left it.

What a client sends never keeps it out: stock clients go on sending what they have stored. If it
cannot be gone on from, the client begins anew and is told why.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rooms import epochs, replay, store
from rooms.arrivals import Arrival
from rooms.context import Context
from rooms.cursors import Cursor, Pid
from rooms.errors import ValidationFailed, server_not_found
from rooms.principals import Principal, Scope
from rooms.replay import Reason, Resync
from rooms.rows import Interval
from rooms.tables import ConnectionRow
from rooms.transaction import Transaction, one_by_one
from rooms.views import View


@dataclass(frozen=True, slots=True)
class Claim:
    """What a client says of where it was: a pid with the newest cursor that it got, or a cursor alone."""

    principal: Principal
    server_id: str
    pid: str | None = None
    offset: str | None = None


@dataclass(frozen=True, slots=True)
class Recovery:
    """Where a client goes on.

    ``pid`` is None if it names no connection. ``joined`` are the channels that it had joined beyond its
    memberships, each from its seq on, and ``parted`` the memberships that it does not want to hear of.
    """

    cursor: Cursor
    pid: Pid | None = None
    generation: int = 0
    joined: dict[str, int] = field(default_factory=dict)
    parted: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rooms:
    """A change that a client makes to its own rooms; ``from_seq`` is None where it parts from one."""

    connection_id: str
    server_id: str
    principal_id: str
    channel_id: str
    from_seq: int | None


async def recover(ctx: Context, claim: Claim) -> Recovery | Resync | None:
    """Return where the client goes on, why it cannot, or None if it says nothing of where it was.

    A connection that is recovered begins its next generation. Raises NotFound without the server.
    """
    if not claim.pid and not claim.offset:
        return None
    found: Recovery | Resync = await ctx.journal.append_one(_recover_all, (ctx, claim))
    if isinstance(found, Resync) and found.lost is not None:
        await epochs.begin_epoch(ctx, claim.server_id, found.lost)
        return await recover(ctx, claim)
    return found


async def keep(ctx: Context, change: Rooms) -> None:
    """Store a change that a client made to its rooms, so that it finds them when it comes back."""
    await ctx.journal.append_one(_keep_all, change)


async def restore(ctx: Context, principal: Principal, arrival: Arrival, recovery: Recovery) -> View:
    """Return what a client is shown that goes on: its memberships, and what it did to its rooms itself."""
    after = recovery.cursor.seq
    found = await replay.find_stretches(ctx, principal, arrival.server.id, after)
    own = {channel.id for channel in arrival.own}
    stretches = [
        (channel_id, Interval(max(interval.first, recovery.joined.get(channel_id, 0)), interval.end))
        for channel_id, interval in found
        if channel_id not in recovery.parted
        and (interval.end is not None or channel_id in own or channel_id in recovery.joined)
    ]
    view = View(stretches)
    if principal.may(Scope.MESSAGES_READ):
        for channel_id, from_seq in recovery.joined.items():
            view.open(channel_id, max(from_seq, after + 1))
    return view


def _recover(transaction: Transaction, wanted: tuple[Context, Claim]) -> Recovery | Resync:
    ctx, claim = wanted
    server = store.servers.find(transaction.connection, [claim.server_id]).get(claim.server_id)
    if server is None:
        raise server_not_found(claim.server_id)
    try:
        pid, cursor = _read(ctx, claim)
    except ValidationFailed:
        return Resync(Reason.INVALID, replay.oldest(server))
    if resync := replay.judge(server, cursor):
        return resync
    if pid is None:
        return Recovery(cursor)
    row = _take(transaction, claim, pid)
    return Recovery(cursor, pid, row.generation, row.joined, row.parted)


def _read(ctx: Context, claim: Claim) -> tuple[Pid | None, Cursor]:
    """Return the pid and the position; raise ValidationFailed for what was not written for this client.

    A client that has got nothing yet goes on where its connection began.
    """
    pid = ctx.cursors.read_pid(claim.pid) if claim.pid else None
    cursor = ctx.cursors.read(claim.offset) if claim.offset else None
    if pid is None:
        assert cursor is not None  # noqa: S101 - one of them is there
        return None, cursor
    if not pid.belongs_to(claim.principal.id) or pid.start.server_id != claim.server_id:
        raise ValidationFailed
    if cursor is None or (_is_of_one_log(cursor, pid.start) and cursor.seq < pid.start.seq):
        return pid, pid.start
    return pid, cursor


def _is_of_one_log(one: Cursor, other: Cursor) -> bool:
    return (one.server_id, one.epoch) == (other.server_id, other.epoch)


def _take(transaction: Transaction, claim: Claim, pid: Pid) -> ConnectionRow:
    values = _values(pid.id, claim.server_id, claim.principal.id, transaction.now)
    store.connections.take(transaction.connection, {**values, "generation": 1, "joined": {}, "parted": []})
    return _require(transaction, pid.id)


def _keep(transaction: Transaction, change: Rooms) -> None:
    row = store.connections.find(transaction.connection, change.connection_id)
    joined, parted = (dict(row.joined), list(row.parted)) if row else ({}, [])
    was_joined = joined.pop(change.channel_id, None) is not None
    parted = [channel_id for channel_id in parted if channel_id != change.channel_id]
    if change.from_seq is not None:
        joined[change.channel_id] = change.from_seq
    elif not was_joined:
        parted.append(change.channel_id)
    values = _values(change.connection_id, change.server_id, change.principal_id, transaction.now)
    store.connections.put(
        transaction.connection, {**values, "generation": 0, "joined": joined, "parted": parted}
    )


def _values(connection_id: str, server_id: str, principal_id: str, now: int) -> dict[str, Any]:
    return {"id": connection_id, "server_id": server_id, "principal_id": principal_id, "now": now}


def _require(transaction: Transaction, connection_id: str) -> ConnectionRow:
    row = store.connections.find(transaction.connection, connection_id)
    assert row is not None  # noqa: S101 - it has just been written
    return row


_recover_all = one_by_one(_recover)
_keep_all = one_by_one(_keep)
