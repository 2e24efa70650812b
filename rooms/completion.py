"""What is done to runs: agents take them, give signs of them and complete them; people cancel them.

A run that nobody has given a sign of is ended by the server, with what was streamed of its reply.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rooms import access, checkpoints, leases, messages, run_lookup, runs, store
from rooms.context import Context
from rooms.drafts import AGENT_RESPONSE, Answering, Draft
from rooms.errors import ParleyError
from rooms.principals import Kind, Principal
from rooms.rows import Message, Run
from rooms.runs import Reason, State
from rooms.storing import store_one
from rooms.transaction import Transaction, one_by_one

DUE_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Sign:
    """A sign of a run by a principal that works on it.

    ``holder`` tells the processes of one agent apart when they take the run; ``fence`` is what whoever
    took it was given, and None for an agent that is one process only.
    """

    principal: Principal
    run_id: str
    holder: str = ""
    fence: int | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """The end of a run as its agent tells it: a reply, none, or what went wrong.

    Without a ``response`` the reply is what was streamed.
    """

    sign: Sign
    response: str | None = None
    has_failed: bool = False


@dataclass(frozen=True, slots=True)
class Envelope:
    """A run, and the message that it is about as it is now."""

    run: Run
    message: Message


@dataclass(frozen=True, slots=True)
class Completed:
    """A run that is over, and the text of its reply, which is empty if there is none."""

    run: Run
    response: str


@dataclass(frozen=True, slots=True)
class Overdue:
    """A run whose time has passed, and whether its agent is connected."""

    run_id: str
    server_id: str
    is_present: bool


async def claim(ctx: Context, sign: Sign) -> Envelope:
    """Take the run for a process of its agent, and return it with its message.

    Taking it again as the same holder gives a sign of it. Raises NotFound, PermissionDenied for whoever
    is not the run's agent, Conflict if it is over or another holder has it.
    """
    return await ctx.journal.append_one(_claim_all, sign, await _home(ctx, sign))


async def progress(ctx: Context, sign: Sign) -> Run:
    """Give a sign of the run, so that it is not taken for dead; errors as for :func:`claim`."""
    return await ctx.journal.append_one(_progress_all, sign, await _home(ctx, sign))


async def complete(ctx: Context, completion: Completion) -> Completed:
    """End the run, store its reply if there is one, and return both.

    Completing a run again changes nothing. Raises what :func:`claim` and a submit do, and Conflict if
    there is a reply for a run that has ended without it.
    """
    if completion.response:
        messages.check_content(ctx, completion.response, Kind.AGENT)
    home = await _home(ctx, completion.sign)
    async with checkpoints.holding(ctx, completion.sign.run_id):
        return await ctx.journal.append_one(_complete_all, completion, home)


async def cancel(ctx: Context, sign: Sign) -> Run:
    """End the run before it is done; whoever asked, its agent, and who manages the channel may.

    Cancelling a run that is over changes nothing.
    """
    home = await _home(ctx, sign)
    async with checkpoints.holding(ctx, sign.run_id):
        return await ctx.journal.append_one(_cancel_all, sign, home)


async def list_overdue(ctx: Context, skipped: int = 0) -> Sequence[tuple[str, str, str]]:
    """Return ids, servers and agents of the runs whose time has passed, but for so many of the first ones."""
    now = ctx.now()
    return await ctx.database.read(
        lambda connection: store.runs.list_due(connection, now, DUE_AT_ONCE, skipped)
    )


async def end_overdue(ctx: Context, overdue: Sequence[Overdue]) -> int:
    """End the runs whose time has passed, but those that somebody has given a sign of meanwhile.

    Returns how many of them need not be looked at again now.
    """
    server_ids = [(run.server_id,) for run in overdue]
    async with checkpoints.holding(ctx, *(run.run_id for run in overdue)):
        outcomes = await ctx.journal.append(_end_overdue_all, overdue, server_ids)
    return sum(not isinstance(outcome, ParleyError) for outcome in outcomes)


async def _home(ctx: Context, sign: Sign) -> str:
    return (await run_lookup.require(ctx, sign.principal, sign.run_id)).server_id


def require_own(transaction: Transaction, sign: Sign) -> Run:
    """Return the run; raise PermissionDenied if it is another's, Conflict if another process has it."""
    run = run_lookup.require_visible(transaction.connection, sign.principal, sign.run_id)
    access.require_author(sign.principal, run.agent_id)
    # Nobody was given the fence of a run that awaits another.
    if sign.fence is not None and (sign.fence != run.fence or run.awaits is not None):
        raise runs.is_anothers(run)
    return run


def _claim(transaction: Transaction, sign: Sign) -> Envelope:
    run = runs.take(transaction, require_own(transaction, sign), sign.holder)
    return Envelope(run, store.messages.find(transaction.connection, [run.message_id])[run.message_id])


def _progress(transaction: Transaction, sign: Sign) -> Run:
    run = require_own(transaction, sign)
    if runs.is_over(run):
        raise runs.has_ended(run)
    if run.state == State.QUEUED or run.awaits is not None:
        return runs.take(transaction, run, sign.holder)
    return leases.renew(transaction, run)


def complete_one(transaction: Transaction, completion: Completion) -> Completed:
    """End a run as a part of something else; the response must be a content that was checked."""
    completed = _complete(transaction, completion)
    if completed.run.told_at is None:
        told = completed.run._replace(told_at=transaction.now)
        store.runs.change(transaction.connection, told)
    return completed


def _complete(transaction: Transaction, completion: Completion) -> Completed:
    run = require_own(transaction, completion.sign)
    if runs.is_over(run):
        return _completed_before(transaction, run, completion)
    if completion.has_failed:
        return _close(transaction, run, State.FAILED, Reason.AGENT_ERROR)
    text = completion.response or run.partial
    if not text:
        return Completed(runs.end(transaction, run, State.IGNORED, Reason.SILENT), "")
    _reply(transaction, completion.sign.principal, text, Answering(run))
    return Completed(_reload(transaction, run), text)


def _completed_before(transaction: Transaction, run: Run, completion: Completion) -> Completed:
    reply = store.messages.find(transaction.connection, [run.reply_id]).get(run.reply_id)
    said = reply.content if reply is not None else ""
    # What was edited or deleted since may have been this; as for a submit, the answer is what is left of it.
    is_as_it_was = reply is None or reply.updated_at == reply.created_at
    if completion.response and completion.response != said and is_as_it_was:
        raise runs.has_ended(run)
    return Completed(run, said)


def _close(transaction: Transaction, run: Run, state: State, reason: Reason | None = None) -> Completed:
    """End the run, and store what was streamed of its reply as the reply."""
    agent = Principal(run.agent_id, Kind.AGENT)
    if run.partial:
        try:
            with transaction.savepoint():
                _reply(transaction, agent, run.partial, Answering(run, state, reason), {"partial": True})
            return Completed(_reload(transaction, run), run.partial)
        except ParleyError:
            pass  # the agent may not speak any more; the run ends all the same
    return Completed(runs.end(transaction, run, state, reason), "")


def _reply(
    transaction: Transaction,
    principal: Principal,
    text: str,
    answering: Answering,
    metadata: dict[str, bool] | None = None,
) -> None:
    """Store the reply, which ends the run."""
    store_one(transaction, reply_of(principal, text, answering, metadata))


def reply_of(
    principal: Principal, text: str, answering: Answering, metadata: dict[str, bool] | None = None
) -> Draft:
    """Return the reply under the id that was reserved for it."""
    run = answering.run
    return Draft(
        principal=principal,
        channel_id=run.channel_id,
        author_id=run.agent_id,
        content=text,
        source_type=AGENT_RESPONSE,
        parent_id=run.message_id,
        metadata=dict(metadata or {}),
        answering=answering,
        id=run.reply_id,
    )


def _reload(transaction: Transaction, run: Run) -> Run:
    return store.runs.find(transaction.connection, [run.id])[run.id]


def _cancel(transaction: Transaction, sign: Sign) -> Run:
    run = run_lookup.require_visible(transaction.connection, sign.principal, sign.run_id)
    access.require_cancel(transaction.connection, sign.principal, run)
    return run if runs.is_over(run) else _close(transaction, run, State.CANCELLED).run


def _end_overdue(transaction: Transaction, overdue: Overdue) -> None:
    run = store.runs.find(transaction.connection, [overdue.run_id])[overdue.run_id]
    if run.due_at is None or run.due_at > transaction.now:
        return
    if run.state == State.QUEUED:
        is_late = overdue.is_present
        ending = (State.TIMED_OUT, Reason.UNANSWERED) if is_late else (State.FAILED, Reason.AGENT_OFFLINE)
        runs.end(transaction, run, *ending)
        return
    has_had_its_time = run.due_at >= (run.started_at or 0) + transaction.policy.run_ms
    _close(transaction, run, State.TIMED_OUT, Reason.TOO_LONG if has_had_its_time else Reason.LEASE)


_claim_all = one_by_one(_claim)
_progress_all = one_by_one(_progress)
_complete_all = one_by_one(complete_one)
_cancel_all = one_by_one(_cancel)
_end_overdue_all = one_by_one(_end_overdue)
