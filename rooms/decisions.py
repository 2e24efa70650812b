"""What is done to approvals: agents ask for them, people decide, and time ends them.

The run that has asked waits meanwhile, and goes on once nothing that it asks for is open any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from rooms import access, approvals, leases, rules, runs, store
from rooms.access import Role
from rooms.approvals import Request, State
from rooms.context import Context
from rooms.drafts import Draft
from rooms.errors import Conflict, ParleyError, ValidationFailed
from rooms.principals import Principal
from rooms.rows import Approval, Message, Run
from rooms.transaction import Transaction, one_by_one

DUE_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Question:
    """What a draft asks for, once it has turned out that it may; and the run that waits for it."""

    request: Request
    expires_at: int
    run: Run | None

    def of(self, message: Message) -> Approval:
        """Return the approval that the message carries."""
        return Approval(
            id=message.id,
            server_id=message.server_id,
            channel_id=message.channel_id,
            seq=message.seq,
            run_id=self.run.id if self.run else None,
            requested_by=message.author_id,
            options=list(self.request.options),
            allowed=list(self.request.allowed),
            state=State.REQUESTED,
            choice=None,
            resolved_by=None,
            created_at=message.created_at,
            expires_at=self.expires_at,
            closed_at=None,
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """The option that a principal chooses."""

    principal: Principal
    message_id: str
    option: str


async def resolve(ctx: Context, decision: Decision) -> Approval:
    """Choose an option, announce it, and return the approval; the same choice again changes nothing.

    Raises NotFound without the approval, PermissionDenied for whoever may not decide it,
    ValidationFailed for what is none of its options, Conflict if it is closed.
    """
    found = await approvals.require(ctx, decision.principal, decision.message_id)
    return await ctx.journal.append_one(_resolve_all, decision, found.server_id)


async def list_expired(ctx: Context) -> Sequence[Approval]:
    """Return the open approvals whose time has passed, the first one first."""
    now = ctx.now()
    return await ctx.database.read(lambda connection: store.approvals.list_due(connection, now, DUE_AT_ONCE))


async def expire(ctx: Context, expired: Sequence[Approval]) -> int:
    """Close the approvals whose time has passed; return how many need not be looked at again now."""
    server_ids = [(approval.server_id,) for approval in expired]
    outcomes = await ctx.journal.append(_expire_all, expired, server_ids)
    return sum(not isinstance(outcome, ParleyError) for outcome in outcomes)


def examine(transaction: Transaction, draft: Draft, *, by_agent: bool) -> Question | None:
    """Return what the draft asks people for, if it does.

    Raises PermissionDenied unless an agent or a service asks, ValidationFailed for what cannot be asked,
    Conflict for a run that is over, or was not taken yet.
    """
    request = draft.approval
    if request is None:
        return None
    access.require_asker(draft.principal, by_agent=by_agent)
    if transaction.policy.refuses_executable:
        for option in request.options:
            rules.check_executable(option, "approval.options")
    _require_allowed(transaction.connection, draft, request)
    expires_at = _require_expiry(transaction.now, request)
    return Question(request, expires_at, _find_run(transaction.connection, draft, request))


def _require_allowed(connection: Connection, draft: Draft, request: Request) -> None:
    pairs = [(draft.channel_id, entity_id) for entity_id in request.allowed]
    present = store.participants.find(connection, pairs) if pairs else {}
    for pair in pairs:
        somebody = present.get(pair)
        if somebody is None or somebody.role == Role.OBSERVER or somebody.entity_id == draft.author_id:
            raise ValidationFailed(
                "Field 'approval.allowed' must name other participants of the channel, who may post in it,"
                f" not '{pair[1]}'"
            )


def _require_expiry(now: int, request: Request) -> int:
    expires_at = now + request.lasts_ms if request.expires_at is None else request.expires_at
    if not rules.MIN_APPROVAL_MS <= expires_at - now <= rules.MAX_APPROVAL_MS:
        raise ValidationFailed("Field 'approval.expires_at' must be 10 seconds to 7 days ahead")
    return expires_at


def _find_run(connection: Connection, draft: Draft, request: Request) -> Run | None:
    """Return the run that is to wait: the one that is named, or that the agent works on.

    Among several it is the one of the message that the draft answers, or else the newest.
    """
    if request.run_id is not None:
        return _require_run(connection, draft, request.run_id)
    found = store.runs.list_open(connection, draft.author_id, draft.channel_id)
    under_way = [run for run in found if run.state != runs.State.QUEUED and run.awaits is None]
    answered = [run for run in under_way if run.message_id == draft.parent_id]
    return next(reversed(answered or under_way), None)


def _require_run(connection: Connection, draft: Draft, run_id: str) -> Run:
    run = store.runs.find(connection, [run_id]).get(run_id)
    if run is None or (run.agent_id, run.channel_id) != (draft.author_id, draft.channel_id):
        raise ValidationFailed(
            f"Field 'approval.run_id' must name a run of the author's in this channel, not {run_id}"
        )
    if runs.is_over(run):
        raise runs.has_ended(run)
    if run.state == runs.State.QUEUED or run.awaits is not None:
        raise Conflict(f"Run '{run.id}' was not taken yet; take it, and then ask")
    return run


def ask(transaction: Transaction, message: Message, question: Question) -> Run | None:
    """Store and announce what a message asks for; return the run that waits from now on, as it is now."""
    approvals.open_one(transaction, question.of(message))
    return _wait_or_go_on(transaction, question.run) if question.run else None


def withdraw(transaction: Transaction, message: Message) -> None:
    """Forget what a message that was deleted has asked for."""
    if message.approval is not None:
        approvals.erase(transaction, message.approval)
        _go_on(transaction, message.approval)


def _resolve(transaction: Transaction, decision: Decision) -> Approval:
    principal = decision.principal
    approval = approvals.look_up(transaction.connection, principal, decision.message_id)
    access.require_decision(
        access.require_standing(transaction.connection, principal, approval.channel_id), approval
    )
    if decision.option not in approval.options:
        known = ", ".join(f"'{option}'" for option in approval.options)
        raise ValidationFailed(f"Field 'option' must be one of {known}")
    if (approval.resolved_by, approval.choice) == (principal.id, decision.option):
        return approval
    if approval.state != State.REQUESTED or approval.expires_at <= transaction.now:
        raise approvals.is_closed(approval)
    resolved = approvals.close(transaction, approval, State.RESOLVED, decision.option, principal.id)
    _go_on(transaction, resolved)
    return resolved


def _expire(transaction: Transaction, expired: Approval) -> None:
    approval = store.approvals.find(transaction.connection, [expired.id]).get(expired.id)
    if approval is not None and approval.state == State.REQUESTED:
        _go_on(transaction, approvals.close(transaction, approval, State.EXPIRED))


def _go_on(transaction: Transaction, closed: Approval) -> None:
    """Tell the run that has waited for an approval that it need not any more."""
    if closed.run_id is not None:
        run = store.runs.find(transaction.connection, [closed.run_id]).get(closed.run_id)
        if run is not None and run.waiting_since is not None:
            _wait_or_go_on(transaction, run)


def _wait_or_go_on(transaction: Transaction, run: Run) -> Run:
    """Let the run wait for as long as something that it asks for is open, and go on after that."""
    awaited = store.approvals.list_open_of_run(transaction.connection, run.id)
    if awaited:
        return leases.suspend(transaction, run, awaited[-1].expires_at)
    return leases.resume(transaction, run)


_resolve_all = one_by_one(_resolve)
_expire_all = one_by_one(_expire)
