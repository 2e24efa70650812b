"""Approvals: questions to people that messages carry, each of which is closed once.

requested ──> resolved    somebody who may has chosen one of its options
          ├─> expired     nobody has chosen in time, which is no choice either
          └─> cancelled   whoever asked needs no answer any more

Every state is an event of the log. The log never shows a question as open that is not: what it told of
a message and its approval is told again as it is now.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from rooms import access, payloads, store
from rooms.access import Standing
from rooms.context import Context
from rooms.errors import Conflict, approval_not_found
from rooms.principals import Kind, Principal, Scope
from rooms.rows import Approval
from rooms.rules import is_uuid
from rooms.transaction import Transaction

MAX_LOOKED_AT = 1_000  # the newest ones, of which those are listed that concern the principal


class State(enum.StrEnum):
    """Where an approval stands."""

    REQUESTED = "requested"
    RESOLVED = "resolved"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Request:
    """What a message asks people for.

    It ends at a time in epoch milliseconds, or after so many. ``allowed`` are those who may decide, if
    not everybody may. ``run_id`` is the run that waits for it; None leaves that to what its agent does.
    """

    options: Sequence[str]
    expires_at: int | None = None
    lasts_ms: int = 0
    allowed: Sequence[str] = ()
    run_id: str | None = None


async def require(ctx: Context, principal: Principal, message_id: str) -> Approval:
    """Return the approval that a message carries; raise NotFound without one that the principal may see."""
    return await ctx.database.read(lambda connection: look_up(connection, principal, message_id))


async def list_concerning(
    ctx: Context, principal: Principal, states: Collection[State], limit: int
) -> Sequence[Approval]:
    """Return the newest approvals that the principal may decide, or has asked for.

    A service that may read everything sees those of everybody.
    """

    def read(connection: Connection) -> Sequence[Approval]:
        if principal.kind is Kind.SERVICE and principal.may(Scope.MESSAGES_READ):
            return store.approvals.list_newest(connection, states, limit)
        found = store.approvals.list_newest_of_participant(connection, principal.id, states, MAX_LOOKED_AT)
        standings = access.find_standings(connection, principal, {one.channel_id for one in found})
        return [one for one in found if _concerns(standings[one.channel_id], one)][:limit]

    return await ctx.database.read(read)


def _concerns(standing: Standing, approval: Approval) -> bool:
    if approval.requested_by == standing.principal.id:
        return True
    return access.may_read(standing, approval.seq) and access.may_decide(standing, approval)


def look_up(connection: Connection, principal: Principal, message_id: str) -> Approval:
    """Return the approval that a message carries; raise NotFound without one that the principal may see."""
    missing = approval_not_found(message_id)
    approval = store.approvals.find(connection, [message_id]).get(message_id) if is_uuid(message_id) else None
    if approval is None:
        raise missing
    if approval.requested_by != principal.id:
        access.require_readable(connection, principal, approval.channel_id, approval.seq, missing)
    return approval


def open_one(transaction: Transaction, approval: Approval) -> None:
    """Store and announce what a message, whose event is recorded already, asks for."""
    store.approvals.add(transaction.connection, approval)
    _announce(transaction, approval)


def close(
    transaction: Transaction,
    approval: Approval,
    state: State,
    choice: str | None = None,
    resolved_by: str | None = None,
) -> Approval:
    """Close an open approval, announce that, and return it; raise Conflict if it is closed already."""
    closed = replace(approval, state=state, choice=choice, resolved_by=resolved_by, closed_at=transaction.now)
    if not store.approvals.close(transaction.connection, closed):
        raise is_closed(store.approvals.find(transaction.connection, [approval.id])[approval.id])
    transaction.retell(closed, lambda payload: _say(closed, payload))
    _announce(transaction, closed)
    return closed


def close_all(transaction: Transaction, approvals: Sequence[Approval]) -> None:
    """Cancel open approvals."""
    for approval in approvals:
        close(transaction, approval, State.CANCELLED)


def erase(transaction: Transaction, approval: Approval) -> None:
    """Forget what was asked; one that was open is announced as cancelled, without its options."""
    store.approvals.remove(transaction.connection, approval.id)
    if approval.state == State.REQUESTED:
        _announce(transaction, replace(approval, state=State.CANCELLED, options=[], allowed=[]))


def is_closed(approval: Approval) -> Conflict:
    """Return the error for a decision that comes too late."""
    if approval.state == State.RESOLVED:
        return Conflict(f"'{approval.resolved_by}' has decided already, and has chosen '{approval.choice}'")
    if approval.state == State.CANCELLED:
        return Conflict("The approval was cancelled; nobody waits for it any more")
    return Conflict("The approval has expired; nobody has decided in time")


def _say(approval: Approval, payload: dict[str, Any]) -> dict[str, Any]:
    """Return what the log tells with the approval as it is now; a tombstone has none."""
    return payload | {"approval": payloads.approval(approval)} if "approval" in payload else payload


def _announce(transaction: Transaction, approval: Approval) -> None:
    payload = payloads.approval_in_place(approval)
    transaction.record(approval.server_id, approval.channel_id, "approval", payload, message_id=approval.id)
