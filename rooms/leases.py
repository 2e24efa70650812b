"""Leases: until when a run may go on without a sign of it.

A run that waits has a bound, one that was taken has a lease, which each sign of it renews, and all have an
end by :attr:`Policy.run_ms`. A run that waits for people needs no signs, and its time stands still.
"""

from __future__ import annotations

from rooms import store
from rooms.rows import Run
from rooms.transaction import Transaction


def patience(transaction: Transaction, *, is_sent: bool) -> int:
    """Return how long a run waits for its agent, in milliseconds."""
    return transaction.policy.run_ms if is_sent else transaction.policy.queue_ms


def renew(transaction: Transaction, run: Run, heard_at: int | None = None) -> Run:
    """Note a sign of the run, heard now unless ``heard_at`` says when, and return it; this is no event."""
    run = renewed(transaction, run, heard_at)
    store.runs.change(transaction.connection, run)
    return run


def renewed(transaction: Transaction, run: Run, heard_at: int | None = None) -> Run:
    """Return the run with a new lease, which ends no later than the time that a run may take.

    A run that waits for people needs none.
    """
    now = transaction.now if heard_at is None else max(heard_at, run.updated_at)
    if run.waiting_since is not None:
        return run._replace(updated_at=now)
    started_at = run.started_at or now
    due_at = min(now + transaction.policy.lease_ms, started_at + transaction.policy.run_ms)
    return run._replace(started_at=started_at, updated_at=now, due_at=due_at)


def suspend(transaction: Transaction, run: Run, until: int) -> Run:
    """Let the run wait for people until a time; it must give no sign before its lease after that."""
    suspended = run._replace(
        updated_at=transaction.now,
        due_at=until + transaction.policy.lease_ms,
        waiting_since=transaction.now if run.waiting_since is None else run.waiting_since,
    )
    store.runs.change(transaction.connection, suspended)
    return suspended


def resume(transaction: Transaction, run: Run) -> Run:
    """Let a run that has waited go on with a new lease; it has as much time left as it had before."""
    waited = transaction.now - (run.waiting_since or transaction.now)
    started_at = (run.started_at or transaction.now) + waited
    return renew(transaction, run._replace(started_at=started_at, waiting_since=None))
