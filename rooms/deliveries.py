"""Deliveries: runs on their way to their agents' webhooks, and replies on theirs to platforms.

An attempt is counted before it is made, and the delivery is put off meanwhile: whoever makes it may
die, and nobody else makes it at the same time. What came of it is stored in one transaction with what
that means for the run: an answer takes the run, or completes it, and a delivery that has failed too
often ends it. What is sent to platforms, and what comes of that, is told in :mod:`rooms.replies`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import orjson
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection
from yarl import URL

from rooms import completion, messages, outbox, payloads, replies, runs, store, uses, webhooks
from rooms.completion import Completion, Sign
from rooms.context import Context
from rooms.errors import ParleyError
from rooms.outbox import State
from rooms.parcels import Letter, Outcome, Parcel
from rooms.principals import Kind, Principal
from rooms.replies import Unusable
from rooms.rows import DueDelivery, Run
from rooms.rules import Content
from rooms.run_tables import Delivery, Webhook
from rooms.runs import Reason
from rooms.runs import State as RunState
from rooms.sealing import Sealer
from rooms.transaction import Transaction, one_by_one
from rooms.uses import Purpose, Use

HOLDER = "webhook"
PAUSES_MS = (1_000, 2_000, 4_000, 8_000)  # after each failed attempt but the last
MAX_ATTEMPTS = len(PAUSES_MS) + 1
HOLD_MS = 30_000  # longer than an attempt may take

_TEXT = TypeAdapter(Content)


@dataclass(frozen=True, slots=True)
class _Settlement:
    """An outcome, and the reply that is in it, if there is one and it can be one."""

    outcome: Outcome
    reply: str | None = field(default=None, repr=False)
    is_unusable: bool = False


@dataclass(frozen=True, slots=True)
class _Start:
    """An attempt that is to be begun, and what opens the secret that it is signed with."""

    due: DueDelivery
    sealer: Sealer | None = field(repr=False)


async def list_due(ctx: Context, busy: Collection[str], limit: int) -> Sequence[DueDelivery]:
    """Return what has to be sent by now, but for agents that are busy, the most urgent first."""
    now = ctx.now()
    return await ctx.database.read(lambda connection: store.deliveries.list_due(connection, now, busy, limit))


async def take(ctx: Context, due: Sequence[DueDelivery]) -> list[Parcel | None]:
    """Begin an attempt at each of these, and return them, but for those that could not be stored.

    There is None for what is another node's by now, or needed no longer.
    """
    starts = [_Start(one, ctx.sealer) for one in due]
    outcomes = await ctx.journal.append(_take_all, starts, [(one.server_id,) for one in due])
    return [outcome for outcome in outcomes if not isinstance(outcome, ParleyError)]


async def settle(ctx: Context, outcome: Outcome) -> State | None:
    """Store what came of an attempt, and return where the delivery stands, or None if it is another's."""
    settlement = _Settlement(outcome)
    if outcome.error is None:
        settlement = _read_answer(ctx, outcome)
    return await ctx.journal.append_one(_settle_all, settlement, outcome.parcel.server_id)


async def list_page(
    ctx: Context, principal: Principal, agent_id: str, state: State | None, before: str | None, limit: int
) -> Sequence[Delivery]:
    """Return the agent's newest deliveries, or the newest before one; errors as of its webhook."""

    def read(connection: Connection) -> Sequence[Delivery]:
        webhooks.require_right(connection, principal, agent_id)
        return store.deliveries.list_page(connection, agent_id, state, before, limit)

    return await ctx.database.read(read)


def _read_answer(ctx: Context, outcome: Outcome) -> _Settlement:
    try:
        said = orjson.loads(outcome.answer)
    except orjson.JSONDecodeError:
        return _Settlement(outcome)
    reply = said.get("response") if isinstance(said, dict) else None
    if reply in (None, ""):
        return _Settlement(outcome, reply)
    try:
        messages.check_content(ctx, _TEXT.validate_python(reply), Kind.AGENT)
    except (ValidationError, ParleyError):
        return _Settlement(outcome, is_unusable=True)
    return _Settlement(outcome, reply)


def _take(transaction: Transaction, start: _Start) -> Parcel | None:
    connection, due = transaction.connection, start.due
    if not store.deliveries.hold(connection, due, transaction.now + HOLD_MS):
        return None
    delivery = outbox.require(connection, due.id)
    run = _find_run(connection, delivery)
    if delivery.platform_id is not None:
        return _take_reply(transaction, start, delivery, run)
    webhook = store.webhooks.find(connection, delivery.agent_id)
    if run.state != RunState.QUEUED or webhook is None:
        _drop(transaction, delivery, run, delivery.error)
        return None
    if delivery.attempts > MAX_ATTEMPTS:
        _bury(transaction, delivery, run, "interrupted")
        return None
    letter = _write(transaction, start.sealer, delivery, run, webhook)
    error = None if letter else "unreadable_secret"
    return _parcel(delivery, run, letter, error, webhook)


def _take_reply(transaction: Transaction, start: _Start, delivery: Delivery, run: Run) -> Parcel | None:
    letter, error = None, None
    try:
        letter = replies.write(transaction, start.sealer, delivery, run)
    except Unusable as unusable:
        error = str(unusable)
    if letter is None and error is None:
        replies.close(transaction, delivery, run, State.DELIVERED if delivery.sent else State.OBSOLETE)
        return None
    return _parcel(delivery, run, letter, error)


def _parcel(
    delivery: Delivery, run: Run, letter: Letter | None, error: str | None, webhook: Webhook | None = None
) -> Parcel:
    return Parcel(
        delivery_id=delivery.id,
        part=delivery.sent,
        attempt=delivery.attempts,
        server_id=run.server_id,
        agent_id=run.agent_id,
        letter=letter,
        error=error,
        webhook=webhook,
    )


def _write(
    transaction: Transaction, sealer: Sealer | None, delivery: Delivery, run: Run, webhook: Webhook
) -> Letter | None:
    """Return what is sent to a webhook, or None if it cannot be signed."""
    name = webhooks.secret_name(webhook.agent_id)
    use = Use(name, webhook.agent_id, Purpose.WEBHOOK, URL(webhook.url).raw_authority)
    key = uses.open_secret(transaction, sealer, use).value
    if key is None:
        return None
    message = store.messages.find(transaction.connection, [run.message_id])[run.message_id]
    body = orjson.dumps(payloads.envelope(run, message))
    signature = webhooks.signed(key, delivery.id, transaction.now // 1000, body)
    return Letter("POST", webhook.url, {"Content-Type": "application/json", **signature}, body)


def _settle(transaction: Transaction, settlement: _Settlement) -> State | None:
    outcome, connection = settlement.outcome, transaction.connection
    parcel = outcome.parcel
    delivery = outbox.require(connection, parcel.delivery_id)
    if delivery.due_at is None or (delivery.sent, delivery.attempts) != (parcel.part, parcel.attempt):
        return None
    run = _find_run(connection, delivery)
    if delivery.platform_id is not None:
        return replies.settle(transaction, delivery, run, outcome)
    if outcome.error is None:
        return _accept(transaction, delivery, run, settlement)
    if run.state != RunState.QUEUED:
        return _drop(transaction, delivery, run, outcome.error)
    if outcome.is_gone and store.webhooks.find(connection, delivery.agent_id) == outcome.parcel.webhook:
        webhooks.forget(transaction, delivery.agent_id)
    if outcome.is_gone or delivery.attempts >= MAX_ATTEMPTS:
        return _bury(transaction, delivery, run, outcome.error)
    due_at = transaction.now + outbox.spread(PAUSES_MS[delivery.attempts - 1])
    store.deliveries.change(connection, delivery.id, State.QUEUED, outcome.error, due_at)
    return State.QUEUED


def _accept(transaction: Transaction, delivery: Delivery, run: Run, settlement: _Settlement) -> State:
    """Take the run for the agent, unless it has done that itself, and end it if there is a reply."""
    store.deliveries.change(transaction.connection, delivery.id, State.DELIVERED)
    if runs.is_over(run):
        return State.DELIVERED
    if run.state == RunState.QUEUED:
        run = runs.take(transaction, run, HOLDER)
    if settlement.is_unusable or not _complete(transaction, run, settlement.reply):
        runs.end(transaction, run, RunState.FAILED, Reason.BAD_RESPONSE)
    return State.DELIVERED


def _complete(transaction: Transaction, run: Run, reply: str | None) -> bool:
    """End the run with the reply, if there is one; tell whether the agent may say it."""
    if reply is None:
        return True
    sign = Sign(Principal(run.agent_id, Kind.AGENT), run.id)
    try:
        with transaction.savepoint():
            completion.complete_one(transaction, Completion(sign, reply))
    except ParleyError:
        return False
    return True


def _drop(transaction: Transaction, delivery: Delivery, run: Run, error: str | None) -> State:
    """Send the run no more: it needs that no longer, or waits for its agent as any other does."""
    store.deliveries.change(transaction.connection, delivery.id, State.OBSOLETE, error)
    if run.state == RunState.QUEUED:
        due_at = run.created_at + transaction.policy.queue_ms
        store.runs.change(transaction.connection, run._replace(due_at=due_at))
    return State.OBSOLETE


def _bury(transaction: Transaction, delivery: Delivery, run: Run, error: str) -> State:
    store.deliveries.change(transaction.connection, delivery.id, State.DEAD, error)
    runs.end(transaction, run, RunState.FAILED, Reason.UNDELIVERABLE)
    return State.DEAD


def _find_run(connection: Connection, delivery: Delivery) -> Run:
    return store.runs.find(connection, [delivery.run_id])[delivery.run_id]


_take_all = one_by_one(_take)
_settle_all = one_by_one(_settle)
