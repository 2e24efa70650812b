"""Sharing: runs that await the reply of another one get it, or go to the agent themselves.

An agent that says in its settings that its replies are cacheable is asked once for what many ask it at
the same time, or within the hour; see :mod:`rooms.response_cache`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection

from rooms import completion, leases, outbox, response_cache, runs, store
from rooms.context import Context
from rooms.drafts import Answering, Draft
from rooms.errors import ParleyError
from rooms.principals import Kind, Principal
from rooms.rows import Message, Run, Seat
from rooms.runs import Reason, State
from rooms.storing import store_all
from rooms.transaction import Transaction

AT_ONCE = 200

# The agent was not there, or not reached: who has waited as long as that has waited long enough.
_NOBODY_THERE = frozenset({Reason.AGENT_OFFLINE, Reason.UNANSWERED, Reason.UNDELIVERABLE})


async def settle(ctx: Context) -> int:
    """Answer runs that await one which is over, or hand them to their agent; return how many those were."""
    found = await ctx.database.read(lambda connection: store.runs.list_awaiting(connection, AT_ONCE))
    if not found:
        return 0
    server_ids = [(run.server_id,) for run in found]
    outcomes = await ctx.journal.append(_settle_all, [run.id for run in found], server_ids)
    return sum(not isinstance(outcome, ParleyError) for outcome in outcomes)


def _settle_all(transaction: Transaction, run_ids: Sequence[str]) -> list[ParleyError | None]:
    found = store.runs.find(transaction.connection, run_ids)
    waiting = [run for run_id in run_ids if (run := found.get(run_id)) and _is_waiting(run)]
    _Settlement(transaction, waiting).settle()
    return [None] * len(run_ids)


def _is_waiting(run: Run) -> bool:
    return run.awaits is not None and not runs.is_over(run)


class _Settlement:
    """What becomes of runs that await others, with all that deciding on it needs, looked up at once."""

    def __init__(self, transaction: Transaction, waiting: Sequence[Run]) -> None:
        connection = transaction.connection
        self._transaction = transaction
        self._waiting = waiting
        self._awaited = store.runs.find(connection, {run.awaits for run in waiting if run.awaits})
        self._replies = _find_replies(connection, self._awaited.values())
        self._messages = store.messages.find(connection, {run.message_id for run in waiting})
        self._seats = {
            (seat.channel_id, seat.agent_id): seat
            for seat in store.agents.list_seats(connection, {run.channel_id for run in waiting})
        }

    def settle(self) -> None:
        """Answer those that can be answered, and hand over the others."""
        answered = [run for run in self._waiting if self._reply_to(run) and self._is_alike(run)]
        drafts = [_draft(run, self._reply_to(run)) for run in answered]
        outcomes = store_all(self._transaction, drafts) if drafts else []
        refused = {
            run.id
            for run, outcome in zip(answered, outcomes, strict=True)
            if isinstance(outcome, ParleyError)
        }
        done = {run.id for run in answered} - refused
        for run in self._waiting:
            if run.id not in done:
                self._pass_on(run)

    def _reply_to(self, run: Run) -> str:
        return self._replies.get(run.awaits or "", "")

    def _is_alike(self, run: Run) -> bool:
        """Tell whether the agent would still say the same: nothing was edited, and no setting changed."""
        seat = self._find_seat(run)
        key = response_cache.key_of(self._messages[run.message_id], seat) if seat else None
        return key == run.prompt_key

    def _find_seat(self, run: Run) -> Seat | None:
        return self._seats.get((run.channel_id, run.agent_id))

    def _pass_on(self, run: Run) -> None:
        """Let the run await another one with its prompt, or be that one."""
        assert run.prompt_key is not None  # noqa: S101 - whoever awaits another has its key
        transaction, key = self._transaction, run.prompt_key if self._is_alike(run) else None
        if transaction.responses.find(run.prompt_key) == run.awaits:
            transaction.responses.drop(run.prompt_key)
        asked = store.runs.find_asked(transaction.connection, key) if key else None
        if asked is not None:
            store.runs.change(transaction.connection, run._replace(awaits=asked.id))
        else:
            self._hand_over(run, key)

    def _hand_over(self, run: Run, key: bytes | None) -> None:
        seat, awaited = self._find_seat(run), self._awaited.get(run.awaits or "")
        is_sent = seat is not None and seat.has_webhook
        nobody_was_there = awaited is not None and awaited.reason in _NOBODY_THERE
        since = run.created_at if nobody_was_there else self._transaction.now
        due_at = since + leases.patience(self._transaction, is_sent=is_sent)
        queued = runs.hand_over(self._transaction, run, due_at, key)
        if is_sent:
            outbox.queue(self._transaction, [queued])


def _find_replies(connection: Connection, awaited: Collection[Run]) -> Mapping[str, str]:
    """Return by run what it was answered with, if others can be answered with that, too."""
    completed = [run for run in awaited if run.state == State.COMPLETED]
    ids = {message_id for run in completed for message_id in (run.message_id, run.reply_id)}
    found = store.messages.find(connection, ids)
    return {
        run.id: reply.content
        for run in completed
        if (prompt := found.get(run.message_id))
        and (reply := found.get(run.reply_id))
        and _is_as_it_was_asked(prompt)
        and _is_answer(reply, run)
    }


def _is_as_it_was_asked(prompt: Message) -> bool:
    """Tell whether the agent has answered what the key was made of: it was neither edited nor deleted."""
    return prompt.deleted_at is None and prompt.updated_at == prompt.created_at


def _is_answer(reply: Message, run: Run) -> bool:
    """Tell whether the reply is one to this run for sure, and nothing but text."""
    is_certain = run.fence > 0 or reply.parent_id == run.message_id
    return is_certain and reply.deleted_at is None and not reply.attachments


def _draft(run: Run, text: str) -> Draft:
    agent = Principal(run.agent_id, Kind.AGENT)
    return completion.reply_of(agent, text, Answering(run, reason=Reason.CACHED), {"cached": True})
