"""Replies on their way to platforms: what agents have said to what came from there.

A reply is sent in as many parts as the platform's limit makes of it, one attempt for each, so that what
has arrived is not sent again when a later part fails. It is tried for an hour after its run was over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection

from rooms import access, outbox, platforms, runs, store, uses
from rooms.context import Context
from rooms.errors import delivery_not_found
from rooms.outbox import State
from rooms.parcels import Letter, Outcome
from rooms.platform_kind import Address
from rooms.platform_tables import Platform
from rooms.principals import Principal, Scope
from rooms.rows import Run
from rooms.run_tables import Delivery
from rooms.sealing import Sealer
from rooms.transaction import Transaction, one_by_one
from rooms.uses import Purpose, Use

PAUSES_MS = (1_000, 5_000, 30_000, 120_000, 300_000)  # after each failed attempt; the last one from then on
TRIED_MS = 60 * 60 * 1000
PASSING = frozenset({408, 425, 429})  # of the client errors, those that another time may not be

_MOST_SECONDS = 4 * 10**9  # as long as clocks tell them


class Unusable(Exception):
    """A secret that a reply needs cannot be used; its text is a word for why."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """A principal's wish to have a dead reply of a platform sent again."""

    principal: Principal
    platform_id: str
    delivery_id: str


async def list_page(
    ctx: Context, principal: Principal, platform_id: str, state: State | None, before: str | None, limit: int
) -> Sequence[Delivery]:
    """Return the newest replies to a platform, or the newest before one; errors as of the platform."""

    def read(connection: Connection) -> Sequence[Delivery]:
        platform = platforms.require_visible(connection, principal, platform_id)
        return store.deliveries.list_page_of_platform(connection, platform.id, state, before, limit)

    return await ctx.database.read(read)


async def redeliver(ctx: Context, principal: Principal, platform_id: str, delivery_id: str) -> Delivery:
    """Send what is missing of a dead reply again, and return it.

    Raises PermissionDenied without ``secrets:write``, NotFound, and Conflict if it is not dead.
    """
    access.require_scope(principal, Scope.SECRETS_WRITE)
    return await ctx.journal.append_one(_redeliver_all, _Wish(principal, platform_id, delivery_id))


def write(transaction: Transaction, sealer: Sealer | None, delivery: Delivery, run: Run) -> Letter | None:
    """Return the next part of the reply, or None if nothing is left to be said, or nobody to say it to.

    Raises Unusable if a secret that it takes is not there for the agent.
    """
    platform = platforms.find(transaction.connection, delivery.platform_id or "")
    if platform is None:
        return None
    kind, address = platforms.KINDS[platform.kind], {**(delivery.address or {}), "deliveryId": delivery.id}
    names = {
        use: platform.secrets[use] for use in kind.needs(address, transaction.now) if use in platform.secrets
    }
    secrets = {use: _open(transaction, sealer, platform, name) for use, name in names.items()}
    text = _find_text(transaction.connection, run)
    return kind.write(platform, secrets, address, text, delivery.sent, transaction.now)


def settle(transaction: Transaction, delivery: Delivery, run: Run, outcome: Outcome) -> State:
    """Store what came of an attempt, and return where the reply stands."""
    connection, letter = transaction.connection, outcome.parcel.letter
    if outcome.error is None:
        if letter is None or letter.is_last:
            # A deferred answer that is taken back is no part: it says nothing.
            if letter is not None and letter.body:
                store.deliveries.count(connection, delivery.id, delivery.sent + 1)
            close(transaction, delivery, run, State.DELIVERED)
            return State.DELIVERED
        store.deliveries.advance(connection, delivery.id, delivery.sent + 1, transaction.now)
        transaction.bells.add(outbox.BELL)
        return State.QUEUED
    due_at = transaction.now + _pause(delivery, outcome, transaction.now)
    if _is_refused(outcome) or due_at > run.updated_at + TRIED_MS:
        store.deliveries.change(connection, delivery.id, State.DEAD, outcome.error)
        return State.DEAD
    store.deliveries.change(connection, delivery.id, State.QUEUED, outcome.error, due_at)
    return State.QUEUED


def expect(transaction: Transaction, run: Run, platform_id: str, address: Address) -> None:
    """Have the run's reply sent to where its question came from; it may be known already."""
    if runs.is_over(run) and run.state != runs.State.COMPLETED:
        return
    outbox.expect(transaction, run, platform_id, address)
    if runs.is_over(run):
        outbox.release(transaction, run)


def expect_instead(transaction: Transaction, run: Run, instead_of: str) -> None:
    """Have the run's reply sent to where that of another would have gone, if it was to go anywhere."""
    reply = store.deliveries.find_reply(transaction.connection, instead_of)
    platform = platforms.find(transaction.connection, reply.platform_id or "") if reply else None
    if reply is None or platform is None or reply.address is None:
        return
    expect(transaction, run, platform.id, platforms.KINDS[platform.kind].after_silence(reply.address))
    store.deliveries.change(transaction.connection, reply.id, State.REDELIVERED)
    store.deliveries.forget_address(transaction.connection, reply.id)


def close(transaction: Transaction, delivery: Delivery, run: Run, state: State) -> None:
    """Store that nothing more is sent.

    Where it went is forgotten, for that may hold a token, or what a bridge knows of somebody; but not while
    the run may be opened anew, because its webhook could not be reached.
    """
    store.deliveries.change(transaction.connection, delivery.id, state)
    if run.reason != runs.Reason.UNDELIVERABLE:
        store.deliveries.forget_address(transaction.connection, delivery.id)


def _open(transaction: Transaction, sealer: Sealer | None, platform: Platform, name: str) -> bytes:
    use = Use(name, platform.agent_id, Purpose.REPLY, platform.id)
    opening = uses.open_secret(transaction, sealer, use)
    if opening.value is None:
        raise Unusable(f"secret_{opening.outcome}")
    return opening.value


def _find_text(connection: Connection, run: Run) -> str:
    """Return what the run has said, as it is now; empty if that is nothing, or nothing any more."""
    reply = store.messages.find(connection, [run.reply_id]).get(run.reply_id)
    return "" if reply is None or reply.deleted_at is not None else reply.content


def _is_refused(outcome: Outcome) -> bool:
    """Tell whether the platform would refuse the same again."""
    status = outcome.status
    return status is not None and 400 <= status < 500 and status not in PASSING


def _pause(delivery: Delivery, outcome: Outcome, now: int) -> int:
    """Return how long to wait before the next attempt, in milliseconds: at least as the platform says."""
    own = outbox.spread(PAUSES_MS[min(delivery.attempts, len(PAUSES_MS)) - 1])
    return max(own, _wished(outcome, now))


def _wished(outcome: Outcome, now: int) -> int:
    """Return for how long a platform that is asked too much wants to be left alone, in milliseconds.

    Telegram says it in the body, in parameters; Discord in the body too, to the millisecond; X as the
    second from which on it can be asked again; and everybody else as HTTP says.
    """
    if outcome.status != 429:
        return 0
    found = [_seconds(outcome.headers.get("Retry-After")), *_told(outcome.answer)]
    reset = _seconds(outcome.headers.get("x-rate-limit-reset"))
    return round(max([*found, reset - now / 1000 if reset else 0.0]) * 1000)


def _told(body: bytes) -> list[float]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return []
    if not isinstance(answer, Mapping):
        return []
    parameters = answer.get("parameters")
    inner = parameters.get("retry_after") if isinstance(parameters, Mapping) else None
    return [_seconds(answer.get("retry_after")), _seconds(inner)]


def _seconds(stated: object) -> float:
    try:
        seconds = float(str(stated))
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds <= _MOST_SECONDS else 0.0


def _redeliver(transaction: Transaction, wish: _Wish) -> Delivery:
    connection = transaction.connection
    platforms.require_visible(connection, wish.principal, wish.platform_id)
    dead = outbox.require(connection, wish.delivery_id)
    if dead.platform_id != wish.platform_id:
        raise delivery_not_found(wish.delivery_id)
    outbox.require_dead(dead)
    store.deliveries.advance(connection, dead.id, dead.sent, transaction.now)
    transaction.bells.add(outbox.BELL)
    return outbox.require(connection, dead.id)


_redeliver_all = one_by_one(_redeliver)
