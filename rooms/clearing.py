"""Clearing channels of all that was said in them, and deleting channels.

A channel of many messages is cleared from its beginning on, some at a time, so that nobody else waits for
long; each step is announced for itself. What is said meanwhile stays. A channel that is deleted is cleared
first, and then ends in one step: nobody takes part in it any more, and what the log has told of it, its name
and who was in it, is told no longer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from rooms import access, erasing, servers, store
from rooms.access import Standing
from rooms.context import Context
from rooms.principals import Principal
from rooms.rows import Message
from rooms.tables import Channel
from rooms.transaction import Transaction, one_by_one

STEP = 50  # messages
# So often is what was said meanwhile cleared in steps of its own; then the rest goes with the channel.
PASSES = 3
_ANY_NUMBER = 1_000_000_000

# Events that tell what a channel is or was called, who was in it, or why an agent was muted there.
_TELLING = (
    "participant_joined",
    "participant_left",
    "channel_updated",
    "agent_muted",
    "agent_unmuted",
)


@dataclass(frozen=True, slots=True)
class _Clearing:
    """A wish that what was said in a channel up to a seq should be gone; up to ``after`` it is."""

    principal: Principal
    channel_id: str
    after: int = 0
    until: int | None = None  # up to now

    @property
    def is_over(self) -> bool:
        """Tell whether nothing is left to be done."""
        return self.after == self.until


@dataclass(frozen=True, slots=True)
class _Deletion:
    """A wish that a channel should be gone, which was cleared up to a seq.

    ``telling`` are the seqs of events that tell of it.
    """

    principal: Principal
    channel_id: str
    cleared: int
    most: int  # messages that may go with it
    telling: Collection[int]


async def clear(ctx: Context, principal: Principal, channel_id: str) -> None:
    """Erase all that was said in the channel so far, and announce it; a second time changes nothing.

    Raises NotFound if the principal may not see the channel, PermissionDenied unless it manages it.
    """
    await _clear_all_of(ctx, principal, channel_id, await servers.require_home(ctx, channel_id))


async def _clear_all_of(ctx: Context, principal: Principal, channel_id: str, server_id: str) -> int:
    """Return the seq up to which nothing is left."""
    step = _Clearing(principal, channel_id)
    while not step.is_over:
        step = await ctx.journal.append_one(_clear_all, step, server_id)
    return step.after


async def delete(ctx: Context, principal: Principal, channel_id: str) -> None:
    """Delete the channel with all that was said in it, and announce it; raises as :func:`clear` does."""
    server_id = await servers.require_home(ctx, channel_id)
    passes, is_deleted = 0, False
    while not is_deleted:
        passes += 1
        cleared = await _clear_all_of(ctx, principal, channel_id, server_id)
        telling = await ctx.database.read(
            lambda connection: store.log.list_telling(connection, channel_id, _TELLING)
        )
        wish = _Deletion(principal, channel_id, cleared, STEP if passes < PASSES else _ANY_NUMBER, telling)
        is_deleted = await ctx.journal.append_one(_delete_all, wish, server_id)


def _clear(transaction: Transaction, wish: _Clearing) -> _Clearing:
    """Clear the next of what is there; return what is left to be done."""
    standing = _require_management(transaction, wish.principal, wish.channel_id)
    until = _newest_seq(transaction, standing) if wish.until is None else wish.until
    found = store.messages.list_left(transaction.connection, wish.channel_id, wish.after, until, STEP + 1)
    is_last = len(found) <= STEP
    some = found[:STEP]
    up_to = until if is_last else some[-1].seq
    if some:
        _erase_some(transaction, standing, some, up_to, is_last=is_last)
    return replace(wish, after=up_to, until=until)


def _newest_seq(transaction: Transaction, standing: Standing) -> int:
    """Return the seq of the log's newest event, those of this commit included."""
    return transaction.next_seq(standing.channel.server_id) - 1


def _require_management(transaction: Transaction, principal: Principal, channel_id: str) -> Standing:
    standing = access.require_standing(transaction.connection, principal, channel_id)
    access.require_management(standing)
    return standing


def _erase_some(
    transaction: Transaction, standing: Standing, messages: Sequence[Message], up_to: int, *, is_last: bool
) -> None:
    channel = standing.channel
    erasing.erase(transaction, messages)
    payload = {
        "channel_id": channel.id,
        "server_id": channel.server_id,
        "up_to": up_to,
        "count": len(messages),
        "is_last": is_last,
        "by": standing.principal.id,
    }
    transaction.record(channel.server_id, channel.id, "channel_cleared", payload)
    erasing.abandon(transaction, messages)


def _delete(transaction: Transaction, wish: _Deletion) -> bool:
    """Delete the channel, unless much has happened in it meanwhile; tell whether it is gone."""
    standing = _require_management(transaction, wish.principal, wish.channel_id)
    connection, channel = transaction.connection, standing.channel
    now = _newest_seq(transaction, standing)
    left = store.messages.list_left(connection, channel.id, wish.cleared, now, wish.most + 1)
    if len(left) > wish.most or _tells_of(transaction, channel):
        return False
    if left:
        _erase_some(transaction, standing, left, now, is_last=True)
    _forget_session(transaction, channel)
    store.external.forget(connection, channel.id)
    store.jobs.forget(connection, channel.id)
    store.mutes.remove_all(connection, channel.id)
    store.guards.remove(connection, channel.id)
    payload = {"channel_id": channel.id, "server_id": channel.server_id, "by": wish.principal.id}
    ended = transaction.record(channel.server_id, channel.id, "channel_deleted", payload)
    store.participants.end_all(connection, channel.id, ended.seq + 1)
    later = store.log.list_telling(connection, channel.id, _TELLING, max(wish.telling, default=0))
    store.log.silence(connection, channel.server_id, [*wish.telling, *later])
    store.channels.erase(connection, channel.id, transaction.now)
    return True


def _tells_of(transaction: Transaction, channel: Channel) -> bool:
    """Tell whether this very commit says of the channel what will have to be forgotten."""
    return any(event.channel_id == channel.id and event.kind in _TELLING for event in transaction.events)


def _forget_session(transaction: Transaction, channel: Channel) -> None:
    """Forget the session that the channel belongs to; whoever creates a channel may claim any."""
    if channel.source_type != "session" or channel.source_id is None:
        return
    found = store.sessions.find(transaction.connection, [channel.source_id])
    ended = [session.id for session in found.values() if session.channel_id == channel.id]
    store.sessions.remove(transaction.connection, ended)


_clear_all = one_by_one(_clear)
_delete_all = one_by_one(_delete)
