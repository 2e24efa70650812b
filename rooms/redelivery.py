"""Redelivery: what could not be delivered to an agent's webhook is sent again, as a new run.

If the message came from a platform, what that run says goes back there.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from rooms import outbox, replies, runs, store, webhooks
from rooms.context import Context
from rooms.errors import Conflict, delivery_not_found
from rooms.outbox import State
from rooms.principals import Principal
from rooms.rows import Message, Run
from rooms.run_tables import Delivery
from rooms.transaction import Transaction, one_by_one


@dataclass(frozen=True, slots=True)
class _Wish:
    """A principal's wish to have a dead delivery of an agent sent again."""

    principal: Principal
    agent_id: str
    delivery_id: str


async def redeliver(ctx: Context, principal: Principal, agent_id: str, delivery_id: str) -> Delivery:
    """Open a new run for the message of a dead delivery, and return that run's delivery.

    Raises NotFound, and Conflict if it is not dead or cannot be sent again.
    """
    wish = _Wish(principal, agent_id, delivery_id)

    def find_home(connection: Connection) -> str:
        return _run_of(connection, _require(connection, wish)).server_id

    return await ctx.journal.append_one(_redeliver_all, wish, await ctx.database.read(find_home))


def _redeliver(transaction: Transaction, wish: _Wish) -> Delivery:
    connection = transaction.connection
    dead = _require(connection, wish)
    message = _require_sendable(connection, dead)
    run = runs.open_run(transaction, message, wish.agent_id, is_sent=True)
    store.runs.add(connection, [run])
    (queued,) = outbox.queue(transaction, [run])
    replies.expect_instead(transaction, run, dead.run_id)
    store.deliveries.change(connection, dead.id, State.REDELIVERED, dead.error)
    return outbox.require(connection, queued)


def _require_sendable(connection: Connection, dead: Delivery) -> Message:
    """Return the message, if it is to be sent again and can be; raise Conflict otherwise."""
    outbox.require_dead(dead)
    run = _run_of(connection, dead)
    message = store.messages.find(connection, [run.message_id])[run.message_id]
    if message.deleted_at is not None:
        raise Conflict(f"The message of delivery '{dead.id}' was deleted; there is nothing to send")
    seats = store.agents.list_seats(connection, [run.channel_id])
    seat = next((seat for seat in seats if seat.agent_id == dead.agent_id), None)
    if seat is None or not seat.is_active:
        raise Conflict(f"Agent '{dead.agent_id}' is stopped, or takes part in the channel no longer")
    if not seat.has_webhook:
        raise Conflict(f"Agent '{dead.agent_id}' has no webhook; set one first")
    return message


def _require(connection: Connection, wish: _Wish) -> Delivery:
    webhooks.require_right(connection, wish.principal, wish.agent_id)
    found = outbox.require(connection, wish.delivery_id)
    if found.agent_id != wish.agent_id or found.platform_id is not None:
        raise delivery_not_found(wish.delivery_id)
    return found


def _run_of(connection: Connection, delivery: Delivery) -> Run:
    return store.runs.find(connection, [delivery.run_id])[delivery.run_id]


_redeliver_all = one_by_one(_redeliver)
