"""Coming back: a client that names its connection finds it again, where it left it.

What a client sends never keeps it out: stock clients go on sending what they have stored. If it
cannot be gone on from, the client begins anew and is told why.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rooms import replay, store
from rooms.arrivals import Arrival
from rooms.context import Context
from rooms.cursors import Cursor, Pid, Reason
from rooms.errors import ValidationFailed
from rooms.principals import Kind, Principal, Scope
from rooms.replay import Resync
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
    memberships, each from its seq on; in ``parted`` stand those that it left by itself, and when.
    """

    cursor: Cursor
    pid: Pid | None = None
    generation: int = 0
    joined: dict[str, int] = field(default_factory=dict)
    parted: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Move:
    """A client lets itself into a room, or out of one, at a seq of the log."""

    connection_id: str
    server_id: str
    principal_id: str
    channel_id: str
    seq: int
    is_joined: bool


async def recover(ctx: Context, claim: Claim) -> Recovery | Resync | None:
    """Return where the client goes on, why it cannot, or None if it says nothing of where it was.

    A connection that is recovered begins its next generation. Raises NotFound without the server.
    """
    if not claim.pid and not claim.offset:
        return None
    try:
        pid, cursor = _read(ctx, claim)
        reason = _find_owed(claim, pid, cursor)
    except ValidationFailed:
        reason = Reason.INVALID
    if reason is not None:
        start = await replay.find_start(ctx, claim.server_id, None)
        return Resync(reason, replay.oldest(start.server))
    start = await replay.find_start(ctx, claim.server_id, cursor)
    if start.resync is not None or pid is None:
        return start.resync or Recovery(cursor)
    row = await ctx.journal.append_one(_claim_all, (claim, pid))
    if cursor.lag is not None and cursor.lag.channel_id in row.parted:
        cursor = cursor._replace(lag=None)
    return Recovery(cursor, pid, row.generation, row.joined, row.parted)


async def keep(ctx: Context, move: Move) -> None:
    """Store what a client did to its rooms, so that it finds them when it comes back."""
    await ctx.journal.append_one(_keep_all, move)


async def restore(ctx: Context, principal: Principal, arrival: Arrival, recovery: Recovery) -> View:
    """Return what a client is shown that goes on: its memberships, and what it did to its rooms itself."""
    after, joined = recovery.cursor.seq, recovery.joined
    found = await replay.find_stretches(ctx, principal, arrival.server.id, after, recovery.parted)
    entered = {channel.id for channel in arrival.own} | joined.keys()
    # Messages let an agent into any of its channels, as they may have done meanwhile.
    enters_all = principal.kind == Kind.AGENT
    stretches = (
        (channel_id, Interval(max(first, joined.get(channel_id, 0)), end))
        for channel_id, (first, end) in found
        if enters_all or end is not None or channel_id in entered
    )
    view = View(stretches, parted=recovery.parted)
    if principal.may(Scope.MESSAGES_READ):
        for channel_id, seq in await _still_joined(ctx, principal, arrival.server.id, joined):
            view.open(channel_id, max(seq, after + 1))
    return view


async def _still_joined(
    ctx: Context, principal: Principal, server_id: str, joined: dict[str, int]
) -> list[tuple[str, int]]:
    """Return what a principal that may read everything joined, and was not removed from since then."""
    since = min(joined.values(), default=0)
    found = await replay.find_stretches(ctx, principal, server_id, since) if joined else []
    removed = {channel_id: end for channel_id, (_, end) in found if end is not None}
    return [(channel_id, seq) for channel_id, seq in joined.items() if removed.get(channel_id, 0) <= seq]


def _read(ctx: Context, claim: Claim) -> tuple[Pid | None, Cursor]:
    """Return the pid and the position; raise ValidationFailed for what was not written for this client.

    A client that has got nothing yet goes on where its connection began.
    """
    pid = ctx.cursors.read_pid(claim.pid) if claim.pid else None
    cursor = ctx.cursors.read(claim.offset).require_server(claim.server_id) if claim.offset else None
    if pid is None:
        assert cursor is not None  # noqa: S101 - one of them is there
        return None, cursor
    if not pid.belongs_to(claim.principal.owner):
        raise ValidationFailed
    start = pid.start.require_server(claim.server_id)
    return pid, cursor or start


def _find_owed(claim: Claim, pid: Pid | None, cursor: Cursor) -> Reason | None:
    """Return why the client had to begin anew, if it cannot be known that it has heard of that.

    It is told before it gets any cursor of its new connection: whoever has none may have been cut before.
    """
    if pid is None or pid.reason is None:
        return None
    is_older = cursor.epoch == pid.start.epoch and cursor.seq < pid.start.seq
    return pid.reason if is_older or not claim.offset else None


def _claim(transaction: Transaction, wanted: tuple[Claim, Pid]) -> ConnectionRow:
    claim, pid = wanted
    row = ConnectionRow(
        id=pid.id,
        server_id=claim.server_id,
        principal_id=claim.principal.owner,
        generation=1,
        updated_at=transaction.now,
    )
    store.connections.claim(transaction.connection, row.model_dump())
    return store.connections.find(transaction.connection, pid.id) or row


def _keep(transaction: Transaction, move: Move) -> None:
    known = store.connections.find(transaction.connection, move.connection_id)
    joined, parted = (dict(known.joined), dict(known.parted)) if known else ({}, {})
    for rooms in (joined, parted):
        rooms.pop(move.channel_id, None)
    if move.is_joined:
        joined[move.channel_id] = move.seq
    else:
        parted[move.channel_id] = move.seq
    row = ConnectionRow(
        id=move.connection_id,
        server_id=move.server_id,
        principal_id=move.principal_id,
        joined=joined,
        parted=parted,
        updated_at=transaction.now,
    )
    store.connections.put(transaction.connection, row.model_dump())


_claim_all = one_by_one(_claim)
_keep_all = one_by_one(_keep)
