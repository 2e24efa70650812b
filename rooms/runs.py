"""Runs: one agent's processing of one message, from its opening to the one end that each has.

queued ──> working ──> streaming ──> completed   the agent has answered
   │          │            │         ignored     it has nothing to say, or was not to speak
   └──────────┴────────────┴───────> failed      nobody was there, or the agent says that it failed
                                     cancelled   somebody who may has stopped it
                                     timed_out   its agent gave no sign of it for too long

Every change of state is an event of the log, and an end is two: ``run``, and ``complete`` for whoever
waits for ends alone. Nothing leaves an end, so that each run has exactly one.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

from rooms import approvals, job_ends, leases, outbox, payloads, store
from rooms.errors import Conflict
from rooms.ids import new_id
from rooms.rows import Message, Run
from rooms.transaction import Transaction


class State(enum.StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    WORKING = "working"
    STREAMING = "streaming"
    COMPLETED = "completed"
    IGNORED = "ignored"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


class Reason(enum.StrEnum):
    """Why a run stands where it stands, where the state alone does not say it."""

    MUTED = "muted"  # the agent is not to speak in the channel, and was not mentioned
    STOPPED = "stopped"  # the agent is not active
    SILENT = "silent"  # the agent has nothing to say
    AGENT_OFFLINE = "agent_offline"
    UNANSWERED = "unanswered"  # the agent was there, and did not take the run
    LEASE = "lease"  # no sign of the run for too long
    TOO_LONG = "too_long"  # it has taken all the time that a run may
    AGENT_ERROR = "agent_error"  # the agent says that it failed
    BAD_RESPONSE = "bad_response"  # its webhook has answered what is no reply
    UNDELIVERABLE = "undeliverable"  # its webhook could not be reached
    REMOVED = "removed"  # the agent takes part in the channel no longer
    MESSAGE_DELETED = "message_deleted"
    CACHED = "cached"  # it is answered, or to be, with what the agent says to the same prompt elsewhere


REFUSALS = (Reason.MUTED, Reason.STOPPED)  # of runs that no agent is told of

BELL = "awaited"  # rung when somebody awaits a run that may be over

OPEN = frozenset({State.QUEUED, State.WORKING, State.STREAMING})
OVER = frozenset(State) - OPEN


def is_over(run: Run) -> bool:
    """Tell whether the run has ended."""
    return run.state in OVER


def open_run(
    transaction: Transaction,
    message: Message,
    agent_id: str,
    *,
    is_sent: bool = False,
    prompt_key: bytes | None = None,
) -> Run:
    """Announce a new run, which waits for its agent, and return it; whoever calls stores it.

    One that ``is_sent`` to a webhook ends with its delivery, if that fails, and waits while that is tried.
    """
    run = _new(transaction, message, agent_id, State.QUEUED)
    due_at = transaction.now + leases.patience(transaction, is_sent=is_sent)
    return _announce(transaction, run._replace(due_at=due_at, prompt_key=prompt_key))


def open_awaiting(
    transaction: Transaction, message: Message, agent_id: str, prompt_key: bytes, awaited: str
) -> Run:
    """Announce a new run that awaits the reply of another, and return it; whoever calls stores it.

    To its agent it looks as if another process had taken it.
    """
    run = _new(transaction, message, agent_id, State.WORKING)._replace(
        reason=Reason.CACHED,
        fence=1,
        due_at=transaction.now + transaction.policy.run_ms,
        prompt_key=prompt_key,
        awaits=awaited,
    )
    transaction.bells.add(BELL)
    return _announce(transaction, run)


def hand_over(transaction: Transaction, run: Run, due_at: int, prompt_key: bytes | None) -> Run:
    """Let a run that has awaited another in vain wait for its agent, and return it."""
    queued = run._replace(
        state=State.QUEUED,
        reason=None,
        fence=0,
        updated_at=transaction.now,
        due_at=due_at,
        prompt_key=prompt_key,
        awaits=None,
    )
    return move(transaction, queued)


def refuse_run(transaction: Transaction, message: Message, agent_id: str, reason: Reason) -> Run:
    """Announce a run that is over at once, and return it; whoever calls stores it."""
    run = _announce(transaction, _new(transaction, message, agent_id, State.IGNORED)._replace(reason=reason))
    _announce_end(transaction, run, None)
    return run


def _new(transaction: Transaction, message: Message, agent_id: str, state: State) -> Run:
    now = transaction.now
    return Run(
        id=new_id(),
        server_id=message.server_id,
        channel_id=message.channel_id,
        message_id=message.id,
        agent_id=agent_id,
        user_id=message.author_id,
        reply_id=new_id(),
        state=state,
        reason=None,
        hops=message.hops + 1,
        holder=None,
        fence=0,
        seq=transaction.next_seq(message.server_id),
        partial="",
        chunks=0,
        created_at=now,
        started_at=None,
        updated_at=now,
        due_at=None,
    )


def take(transaction: Transaction, run: Run, holder: str) -> Run:
    """Let the agent begin, or go on: from now on it must give signs of the run. Raises Conflict.

    Of several processes of one agent one takes the run: whoever has no newer ``fence`` than another
    may not go on.
    """
    if is_over(run):
        raise has_ended(run)
    if run.state == State.QUEUED:
        begun = run._replace(
            state=State.WORKING, holder=holder, fence=run.fence + 1, started_at=transaction.now
        )
        return move(transaction, leases.renewed(transaction, begun))
    if run.holder != holder:
        raise is_anothers(run)
    return leases.renew(transaction, run)


def stream(transaction: Transaction, run: Run, text: str) -> Run:
    """Let the agent say its reply chunk by chunk, of which this is the first, and return the run.

    Whoever keeps streams finds the run in the event, as it was before anything was said.
    """
    begun = leases.renewed(transaction, run._replace(state=State.STREAMING))
    store.runs.change(transaction.connection, begun._replace(partial=text, chunks=1))
    return _announce(transaction, begun, subject=begun)


def hear_of(transaction: Transaction, run: Run) -> Run:
    """Note a sign of the run from an agent that may know nothing of runs, and return it.

    One that was not taken waits as long again, so that the answer, when it comes, still finds it.
    """
    if run.state != State.QUEUED:
        return leases.renew(transaction, run)
    policy = transaction.policy
    patience = min(transaction.now + policy.queue_ms, run.created_at + policy.run_ms)
    waiting = run._replace(updated_at=transaction.now, due_at=max(run.due_at or 0, patience))
    store.runs.change(transaction.connection, waiting)
    return waiting


def move(transaction: Transaction, run: Run) -> Run:
    """Store and announce the state that the run has come to, and return it."""
    store.runs.change(transaction.connection, run)
    return _announce(transaction, run)


def end(
    transaction: Transaction,
    run: Run,
    state: State,
    reason: Reason | None = None,
    reply_id: str | None = None,
) -> Run:
    """End the run, with the reply if there is one, announce that, and return it.

    An agent that does not use the reserved id answers under one of its own. What was streamed is kept no
    longer, and what the run has asked people for is cancelled. Others may await what came of it.
    """
    if run.waiting_since is not None:
        approvals.close_all(transaction, store.approvals.list_open_of_run(transaction.connection, run.id))
    is_asked = run.prompt_key is not None and run.awaits is None
    ended = run._replace(
        state=state,
        reason=reason,
        reply_id=reply_id or run.reply_id,
        partial="",
        updated_at=transaction.now,
        due_at=None,
        waiting_since=None,
        # Others are not looked through for an answer: of a prompt that many share there may be very many.
        prompt_key=run.prompt_key if is_asked and state == State.COMPLETED else None,
    )
    move(transaction, ended)
    if state != State.COMPLETED:
        job_ends.fail(transaction, ended)
    if is_asked:
        transaction.bells.add(BELL)
    _announce_end(transaction, ended, reply_id)
    outbox.release(transaction, ended)
    return ended


def end_all(transaction: Transaction, runs: Sequence[Run], state: State, reason: Reason) -> None:
    """End those of the runs that are not over."""
    for run in runs:
        if not is_over(run):
            end(transaction, run, state, reason)


def has_ended(run: Run) -> Conflict:
    """Return the error for what comes after the end."""
    return Conflict(f"Run '{run.id}' has ended already; it is {run.state}")


def is_anothers(run: Run) -> Conflict:
    """Return the error for a process of the agent, when another one has taken the run."""
    return Conflict(f"Run '{run.id}' was taken by another process of the agent; leave it to that one")


def _announce(transaction: Transaction, run: Run, subject: Run | None = None) -> Run:
    payload = {"server_id": run.server_id, "channel_id": run.channel_id, "run": payloads.run(run)}
    transaction.record(run.server_id, run.channel_id, "run", payload, subject=subject)
    return run


def _announce_end(transaction: Transaction, run: Run, reply_id: str | None) -> None:
    payload = payloads.completion(run, reply_id)
    transaction.record(run.server_id, run.channel_id, "complete", payload, subject=run)
