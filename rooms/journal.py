"""The journal: every durable write, many waiters, one transaction.

Submitters wait on a future; one writer takes all that wait, commits once, publishes what the commit
added to the logs and resolves the futures. So nothing is acknowledged or published before it is
durable, and a server's events are published in the order of their ``seq``.

A write is an *apply function* and a draft. Neighbouring drafts of one apply function are handed to
it together, so that it can look up and insert them in bulk; it answers one outcome per draft, a
result or a ParleyError, and an error costs its neighbours nothing. If the database itself refuses
the batch, the batch is halved until the offender stands alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson
from sqlalchemy import Connection

from rooms import store
from rooms.database import Database, OutcomeUnknown
from rooms.errors import ParleyError, Unavailable, server_not_found
from rooms.publishing import Event, Origin, Publisher

D = TypeVar("D")
R = TypeVar("R")

Clock = Callable[[], float]

MAX_BATCH = 512
MAX_WAITING = 20_000
SETTLE_SECONDS = 0.2

_log = logging.getLogger("parley.journal")


class Transaction:
    """One commit in the making: its connection, its time, and the events that it adds.

    ``now`` is in epoch milliseconds. The rows of ``server_ids`` are locked, in order of id, before
    anything is read: whoever appends to a log holds its server.
    """

    def __init__(self, connection: Connection, server_ids: set[str], now: int) -> None:
        self.connection = connection
        self.now = now
        self.events: list[Event] = []
        self._seqs = store.servers.lock(connection, sorted(server_ids))

    def record(
        self,
        server_id: str,
        channel_id: str,
        kind: str,
        payload: dict[str, Any],
        *,
        message_id: str | None = None,
        subject: object = None,
        origin: Origin | None = None,
    ) -> Event:
        """Append an event to the server's log and return it, with its ``seq`` in the payload."""
        seq = self.next_seq(server_id)
        payload = {"seq": seq, **payload}
        encoded = orjson.dumps(payload)
        event = Event(server_id, seq, channel_id, kind, payload, encoded, message_id, subject, origin)
        self._seqs[server_id] = seq
        self.events.append(event)
        return event

    def next_seq(self, server_id: str) -> int:
        """Return the seq that the server's next event will have; raise NotFound without that server."""
        if server_id not in self._seqs:
            raise server_not_found(server_id)
        return self._seqs[server_id] + 1

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what the block did, in the database and in the log, if it raises."""
        kept, seqs = len(self.events), dict(self._seqs)
        try:
            with self.connection.begin_nested():
                yield
        except BaseException:
            del self.events[kept:]
            self._seqs = seqs
            raise

    def finish(self) -> None:
        """Write the events and the servers' new positions."""
        if self.events:
            store.log.append(self.connection, self.events, self.now)
            store.log.advance(self.connection, self.events, self.now)


Apply = Callable[[Transaction, Sequence[D]], Sequence[R | ParleyError]]


@dataclass(slots=True, eq=False)
class Write(Generic[D, R]):
    """One draft on its way: what to do with it, the servers it touches, and who waits for it."""

    apply: Apply[D, R]
    draft: D
    server_ids: tuple[str, ...]
    outcome: asyncio.Future[R | ParleyError]

    def resolve(self, outcome: R | ParleyError) -> None:
        """Tell the waiter, if it still waits."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)


def one_by_one(apply: Callable[[Transaction, D], R]) -> Apply[D, R]:
    """Make an apply function of one draft into one of many; a refused draft leaves nothing behind."""

    def apply_each(transaction: Transaction, drafts: Sequence[D]) -> list[R | ParleyError]:
        return [_apply_one(transaction, apply, draft) for draft in drafts]

    return apply_each


def _apply_one(transaction: Transaction, apply: Callable[[Transaction, D], R], draft: D) -> R | ParleyError:
    try:
        with transaction.savepoint():
            return apply(transaction, draft)
    except ParleyError as error:
        return error


class Journal:
    """The group-commit writer of one process."""

    def __init__(self, database: Database, publisher: Publisher, clock: Clock = time.time) -> None:
        self._database = database
        self._publisher = publisher
        self.clock = clock
        self._waiting: deque[Write[Any, Any]] = deque()
        self._wake = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._closing = False

    def start(self) -> None:
        """Begin to write; needs a running loop."""
        self._writer = asyncio.create_task(self._write_for_ever(), name="journal")

    async def close(self) -> None:
        """Write everything that waits, then stop."""
        self._closing = True
        self._wake.set()
        if self._writer is not None:
            await self._writer

    @property
    def is_writing(self) -> bool:
        """Tell whether the writer is alive and takes new writes."""
        return self._writer is not None and not self._writer.done() and not self._closing

    async def append(
        self, apply: Apply[D, R], drafts: Sequence[D], server_ids: Sequence[tuple[str, ...]]
    ) -> list[R | ParleyError]:
        """Commit the drafts, each touching its servers, and return an outcome for each.

        Raises Unavailable if too much waits already, or if the server is shutting down.
        """
        if not self.is_writing or len(self._waiting) + len(drafts) > MAX_WAITING:
            raise Unavailable
        loop = asyncio.get_running_loop()
        writes = [
            Write(apply, draft, servers, loop.create_future())
            for draft, servers in zip(drafts, server_ids, strict=True)
        ]
        self._waiting.extend(writes)
        self._wake.set()
        return [await write.outcome for write in writes]

    async def append_one(self, apply: Apply[D, R], draft: D, *server_ids: str) -> R:
        """Commit one draft and return its result; raise what :meth:`append` would return."""
        (outcome,) = await self.append(apply, [draft], [server_ids])
        if isinstance(outcome, ParleyError):
            raise outcome
        return outcome

    async def _write_for_ever(self) -> None:
        while not self._closing or self._waiting:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCH))]
            try:
                await self._commit(batch)
            except Exception:  # noqa: BLE001
                # A fault of our own must cost this batch alone: the writer outlives it.
                _log.exception("the journal failed on a batch of %d", len(batch))
                _resolve_all(batch, ParleyError())

    async def _commit(self, batch: list[Write[Any, Any]]) -> None:
        """Commit the batch; on a refusal by the database, halve it until the offender is alone."""
        attempt = _Attempt(batch, self.clock)
        try:
            await self._database.write(attempt.run)
        except OutcomeUnknown:
            await self._settle(attempt)
        except Unavailable as error:
            _log.error("the database is unavailable: %s", type(error.__cause__).__name__)
            _resolve_all(batch, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, one write alone pays for it
            if len(batch) == 1:
                _log.error("the database refused a write: %s", type(error).__name__)
                batch[0].resolve(ParleyError())
                return
            middle = len(batch) // 2
            await self._commit(batch[:middle])
            await self._commit(batch[middle:])
        else:
            self._accept(attempt)

    async def _settle(self, attempt: _Attempt) -> None:
        """Find out whether a commit without an answer took place, and answer accordingly.

        Nobody waits for a database that is away; but nothing else is written before it has told,
        because what it did store must be published first.
        """
        while not self._closing:
            try:
                stored = await self._database.read(attempt.is_stored)
            except Unavailable as error:
                _resolve_all([*attempt.batch, *self._waiting], error)
                self._waiting.clear()
                await asyncio.sleep(SETTLE_SECONDS)
                continue
            if stored:
                self._accept(attempt)
            break
        _resolve_all(attempt.batch, Unavailable())

    def _accept(self, attempt: _Attempt) -> None:
        # Waiters go on when this tick of the loop is over: resolved first, they acknowledge in time for
        # their acks to leave in one write with what is published to the same connections here.
        for write, outcome in zip(attempt.batch, attempt.outcomes, strict=True):
            write.resolve(outcome)
        try:
            self._publisher.publish(attempt.events)
        except Exception:  # noqa: BLE001
            # It is stored: whoever submitted it must be told so.
            _log.exception("publishing %d events failed", len(attempt.events))


def _resolve_all(batch: Sequence[Write[Any, Any]], error: ParleyError) -> None:
    for write in batch:
        write.resolve(error)


class _Attempt:
    """One try at committing a batch, and what came of it."""

    def __init__(self, batch: list[Write[Any, Any]], clock: Clock) -> None:
        self.batch = batch
        self.outcomes: list[Any] = []
        self.events: list[Event] = []
        self._clock = clock

    def run(self, connection: Connection) -> None:
        """Apply the batch inside one transaction."""
        servers = {server_id for write in self.batch for server_id in write.server_ids}
        transaction = Transaction(connection, servers, int(self._clock() * 1000))
        self.outcomes = []
        for apply, group in itertools.groupby(self.batch, lambda write: write.apply):
            self.outcomes += apply(transaction, [write.draft for write in group])
        transaction.finish()
        self.events = transaction.events

    def is_stored(self, connection: Connection) -> bool:
        """Tell whether the last event of this attempt stands in the log as it was written."""
        if not self.events:
            return False
        # Behind the lock no commit of ours can still be under way.
        store.servers.lock(connection, [self.events[-1].server_id])
        return store.log.has(connection, self.events[-1])
