"""The outbox: what has to be sent is stored with what it tells of, and sent once that is committed."""

from __future__ import annotations

import enum
import random
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from rooms import store
from rooms.errors import Conflict, delivery_not_found
from rooms.ids import new_id
from rooms.rows import Run
from rooms.rules import is_uuid
from rooms.run_tables import Delivery
from rooms.store.statements import Row
from rooms.transaction import Transaction

BELL = "deliveries"


class State(enum.StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"  # a reply that is not there yet
    QUEUED = "queued"
    DELIVERED = "delivered"
    DEAD = "dead"  # it has failed too often, or the agent wants no more
    REDELIVERED = "redelivered"  # it was dead, and there is another in its place
    OBSOLETE = "obsolete"  # the run needs it no longer, or there is nothing to say


SPREAD = 0.2  # of a pause, so that what failed together does not come back together


def queue(transaction: Transaction, runs: Sequence[Run]) -> list[str]:
    """Send the runs to their agents' webhooks, after the commit; return the ids of their deliveries."""
    rows: list[Row] = [
        {
            "id": new_id(),
            "agent_id": run.agent_id,
            "run_id": run.id,
            "state": State.QUEUED,
            "attempts": 0,
            "created_at": transaction.now,
            "due_at": transaction.now,
        }
        for run in runs
    ]
    if rows:
        store.deliveries.add(transaction.connection, rows)
        transaction.bells.add(BELL)
    return [row["id"] for row in rows]


def expect(transaction: Transaction, run: Run, platform_id: str, address: dict[str, Any]) -> None:
    """Send what the run will have said to where its message came from, once it is over."""
    row = {
        "id": new_id(),
        "agent_id": run.agent_id,
        "run_id": run.id,
        "state": State.WAITING,
        "attempts": 0,
        "created_at": transaction.now,
        "platform_id": platform_id,
        "address": address,
    }
    store.deliveries.add(transaction.connection, [row])


def release(transaction: Transaction, run: Run) -> None:
    """Send what the run has said, after the commit, if that is waited for elsewhere."""
    if store.deliveries.release(transaction.connection, run.id, transaction.now):
        transaction.bells.add(BELL)


def require(connection: Connection, delivery_id: str) -> Delivery:
    """Return the delivery; raise NotFound without it."""
    found = store.deliveries.find(connection, delivery_id) if is_uuid(delivery_id) else None
    if found is None:
        raise delivery_not_found(delivery_id)
    return found


def require_dead(delivery: Delivery) -> None:
    """Raise Conflict unless the delivery is dead: whatever else may still arrive, or has."""
    if delivery.state != State.DEAD:
        raise Conflict(f"Delivery '{delivery.id}' is {delivery.state}; only dead ones can be sent again")


def spread(pause: int) -> int:
    """Return about as long a pause, in milliseconds."""
    return round(pause * random.uniform(1 - SPREAD, 1 + SPREAD))  # noqa: S311 - nobody gains from guessing it
