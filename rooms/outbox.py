"""The outbox: what has to be sent is stored with what it tells of, and sent once that is committed."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from rooms import store
from rooms.ids import new_id
from rooms.rows import Run
from rooms.store.statements import Row
from rooms.transaction import Transaction

BELL = "deliveries"


class State(enum.StrEnum):
    """Where a delivery stands."""

    QUEUED = "queued"
    DELIVERED = "delivered"
    DEAD = "dead"  # it has failed too often, or the agent wants no more
    REDELIVERED = "redelivered"  # it was dead, and there is another in its place
    OBSOLETE = "obsolete"  # the run needs it no longer


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
