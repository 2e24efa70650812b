"""Mutes: agents that are not to answer in a channel unless they are mentioned, for a time or for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from rooms import access, mentions, payloads, runs, servers, store
from rooms.access import Standing
from rooms.context import Context
from rooms.errors import NotFound, ValidationFailed
from rooms.principals import Kind, Principal
from rooms.run_tables import Mute
from rooms.runs import Reason, State
from rooms.transaction import Transaction, one_by_one


@dataclass(frozen=True, slots=True)
class Muting:
    """A wish that an agent should be quiet in a channel: until a time in epoch milliseconds, or for good."""

    principal: Principal
    channel_id: str
    agent_id: str
    reason: str = ""
    until: int | None = None


async def mute(ctx: Context, wish: Muting) -> Mute:
    """Mute the agent in the channel, or change until when and why it is; return that.

    What waits for it there is over, as far as it is not mentioned; what it has begun it may finish. Raises
    PermissionDenied unless the principal manages the channel, NotFound unless the agent takes part in it.
    """
    return await ctx.journal.append_one(_mute_all, wish, await servers.require_home(ctx, wish.channel_id))


async def unmute(ctx: Context, wish: Muting) -> None:
    """Let the agent answer in the channel again; errors as for :func:`mute`."""
    await ctx.journal.append_one(_unmute_all, wish, await servers.require_home(ctx, wish.channel_id))


async def list_of(ctx: Context, principal: Principal, channel_id: str) -> Sequence[Mute]:
    """Return the mutes of a channel that hold now; raise NotFound if the principal may not see it."""

    def read(connection: Connection) -> Sequence[Mute]:
        access.require_standing(connection, principal, channel_id)
        return store.mutes.list_of(connection, channel_id, ctx.now())

    return await ctx.database.read(read)


def _mute(transaction: Transaction, wish: Muting) -> Mute:
    standing = _require_right(transaction, wish)
    if wish.until is not None and wish.until <= transaction.now:
        raise ValidationFailed("Field 'until' must lie in the future")
    _require_agent(transaction, wish)
    known = _find(transaction, wish)
    if known is not None and (known.reason, known.until) == (wish.reason, wish.until):
        return known
    mute = _row(transaction, wish)
    store.mutes.put(transaction.connection, mute.model_dump())
    _record(transaction, standing, "agent_muted", mute, wish.principal)
    _end_waiting(transaction, wish)
    return mute


def _unmute(transaction: Transaction, wish: Muting) -> None:
    standing = _require_right(transaction, wish)
    known = _find(transaction, wish)
    if known is None:
        _require_agent(transaction, wish)
        return
    store.mutes.remove(transaction.connection, wish.channel_id, wish.agent_id)
    _record(transaction, standing, "agent_unmuted", known, wish.principal)


def _row(transaction: Transaction, wish: Muting) -> Mute:
    return Mute(
        channel_id=wish.channel_id,
        agent_id=wish.agent_id,
        reason=wish.reason,
        until=wish.until,
        muted_by=wish.principal.id,
        created_at=transaction.now,
    )


def _require_right(transaction: Transaction, wish: Muting) -> Standing:
    standing = access.require_standing(transaction.connection, wish.principal, wish.channel_id)
    access.require_management(standing)
    return standing


def _require_agent(transaction: Transaction, wish: Muting) -> None:
    """Raise NotFound unless the agent takes part in the channel."""
    place = (wish.channel_id, wish.agent_id)
    found = store.participants.find(transaction.connection, [place]).get(place)
    if found is None or found.kind != Kind.AGENT:
        raise NotFound(
            f"'{wish.agent_id}' is not an agent that takes part in channel '{wish.channel_id}'",
            message="Agent not found",
        )


def _find(transaction: Transaction, wish: Muting) -> Mute | None:
    """Return the mute that holds now."""
    held = store.mutes.list_of(transaction.connection, wish.channel_id, transaction.now)
    return next((mute for mute in held if mute.agent_id == wish.agent_id), None)


def _record(transaction: Transaction, standing: Standing, kind: str, mute: Mute, by: Principal) -> None:
    channel = standing.channel
    payload = {**payloads.mute(mute), "server_id": channel.server_id, "by": by.id}
    transaction.record(channel.server_id, channel.id, kind, payload)


def _end_waiting(transaction: Transaction, wish: Muting) -> None:
    """End the runs that the agent has not taken, but those of messages that mention it."""
    found = store.runs.list_open(transaction.connection, wish.agent_id, wish.channel_id)
    waiting = [run for run in found if run.state == State.QUEUED or run.awaits is not None]
    said = store.messages.find(transaction.connection, [run.message_id for run in waiting])
    passed = [run for run in waiting if wish.agent_id not in mentions.entity_ids(said[run.message_id])]
    runs.end_all(transaction, passed, State.IGNORED, Reason.MUTED)


_mute_all = one_by_one(_mute)
_unmute_all = one_by_one(_unmute)
