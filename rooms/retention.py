"""Retention: how much of each log is kept, and forgetting the rest.

Only the oldest events of a log are forgotten, never some in its middle: the server's ``floor_seq``
says up to where, and is stored in the transaction that deletes. Messages stay; what ends is that
somebody can be told all that happened since. What is known of connections that have not come back for
as many days goes too, and so do runs and deliveries that are over and what is told of uses of the vault,
and sessions and jobs, some time after they have ended.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Container
from dataclasses import dataclass

from rooms import jobs, sessions, store
from rooms.context import Context
from rooms.ids import first_id_at
from rooms.tables import Server
from rooms.transaction import Transaction, one_by_one

KEPT_DAYS, KEPT_EVENTS = 30, 1_000_000
DAY_MS = 24 * 60 * 60 * 1000
# So many rows go in one commit, so that whoever waits for the next one hardly notices.
STEP = 1_000


@dataclass(frozen=True, slots=True)
class Retention:
    """How long events are kept, and how many of each server; 0 means without that bound."""

    days: int = KEPT_DAYS
    events: int = KEPT_EVENTS

    def oldest(self, now: int) -> int | None:
        """Return the time in milliseconds from which on everything is kept, or None for all times."""
        return now - self.days * DAY_MS if self.days else None


@dataclass(frozen=True, slots=True)
class _Step:
    """The next events of one server that may be forgotten, if they lie outside of both bounds."""

    server_id: str
    kept: int  # events; 0 for any number
    since: int | None


@dataclass(frozen=True, slots=True)
class _Unused:
    """Connections that have not come back since a time in milliseconds, but for those that are held."""

    since: int
    held: Container[str]


async def forget(ctx: Context, retention: Retention, held: Container[str] = ()) -> AsyncGenerator[int, None]:
    """Forget what is kept no longer, and yield after each commit how many rows it took.

    ``held`` are the ids of connections that are open on this node: what they did to their rooms is kept.
    """
    for server in await ctx.database.read(store.servers.list_all):
        step = _Step(server.id, retention.events, retention.oldest(ctx.now()))
        while forgotten := await ctx.journal.append_one(_forget_events_all, step, server.id):
            yield forgotten
    oldest = retention.oldest(ctx.now())
    while oldest:
        looked_at, forgotten = await ctx.journal.append_one(_forget_unused_all, _Unused(oldest, held))
        if not looked_at:
            break
        yield forgotten
    steps = [
        (_forget_uses_all, oldest),
        (_forget_deliveries_all, oldest),
        (_forget_runs_all, oldest),  # those that no delivery is left of
        (_forget_sessions_all, ctx.now() - sessions.KEPT_DAYS * DAY_MS),
        (_forget_jobs_all, ctx.now() - jobs.KEPT_DAYS * DAY_MS),
    ]
    for forget_all, since in steps:
        while since and (forgotten := await ctx.journal.append_one(forget_all, since)):
            yield forgotten


def _forget_events(transaction: Transaction, step: _Step) -> int:
    server = store.servers.find(transaction.connection, [step.server_id])[step.server_id]
    floor = _next_floor(transaction, server, step)
    if floor > server.floor_seq:
        store.log.raise_floor(transaction.connection, server.id, floor)
    return floor - server.floor_seq


def _next_floor(transaction: Transaction, server: Server, step: _Step) -> int:
    """Return up to which seq this step forgets: at least the present floor."""
    floor, end = server.floor_seq, min(server.floor_seq + STEP, server.seq)
    too_many = server.seq - step.kept if step.kept else floor
    too_old = floor
    if step.since is not None:
        too_old = store.log.find_last_before(transaction.connection, server.id, floor, end, step.since)
    return max(floor, min(end, max(too_many, too_old)))


_forget_events_all = one_by_one(_forget_events)


def _forget_unused(transaction: Transaction, unused: _Unused) -> tuple[int, int]:
    """Return how many old connections there were in this step, and how many of them are forgotten."""
    old = store.connections.list_old(transaction.connection, unused.since, STEP)
    kept = [connection_id for connection_id in old if connection_id in unused.held]
    store.connections.touch(transaction.connection, kept, transaction.now)
    store.connections.forget(transaction.connection, set(old).difference(kept))
    return len(old), len(old) - len(kept)


_forget_unused_all = one_by_one(_forget_unused)


def _forget_sessions(transaction: Transaction, since: int) -> int:
    """Return how many sessions that have ended before are forgotten in this step."""
    old = store.sessions.list_old(transaction.connection, since, STEP)
    store.sessions.remove(transaction.connection, old)
    return len(old)


_forget_sessions_all = one_by_one(_forget_sessions)


def _forget_uses(transaction: Transaction, since: int) -> int:
    """Return how many uses of secrets that were over before are forgotten in this step."""
    old = store.vault.list_old_uses(transaction.connection, since, STEP)
    store.vault.forget_uses(transaction.connection, old)
    return len(old)


_forget_uses_all = one_by_one(_forget_uses)


def _forget_deliveries(transaction: Transaction, since: int) -> int:
    """Return how many deliveries that began before, and are over, are forgotten in this step."""
    old = store.deliveries.list_old(transaction.connection, first_id_at(since), STEP)
    store.deliveries.remove(transaction.connection, old)
    return len(old)


_forget_deliveries_all = one_by_one(_forget_deliveries)


def _forget_runs(transaction: Transaction, since: int) -> int:
    """Return how many runs that were over before are forgotten in this step."""
    old = store.runs.list_old(transaction.connection, since, STEP)
    store.runs.remove(transaction.connection, old)
    return len(old)


_forget_runs_all = one_by_one(_forget_runs)


def _forget_jobs(transaction: Transaction, since: int) -> int:
    """Return how many jobs are forgotten in this step: old ones, and too many that are over."""
    connection = transaction.connection
    old = store.jobs.list_old(connection, since, transaction.now, jobs.KEPT_JOBS, STEP)
    store.jobs.remove(connection, old)
    return len(old)


_forget_jobs_all = one_by_one(_forget_jobs)
