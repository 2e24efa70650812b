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
import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from rooms import store
from rooms.database import Database, OutcomeUnknown
from rooms.errors import ParleyError, Unavailable
from rooms.policy import Policy
from rooms.publishing import Event, Publisher
from rooms.response_cache import ResponseCache
from rooms.transaction import Apply, Transaction

D = TypeVar("D")
R = TypeVar("R")

Clock = Callable[[], float]

MAX_BATCH = 512
MAX_WAITING = 20_000
SETTLE_SECONDS = 0.2

_DEFAULT_POLICY = Policy()
_log = logging.getLogger("parley.journal")


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


@dataclass(slots=True)
class Counters:
    """What the journal has done so far; ``seconds`` is the time that its commits took, one by one."""

    commits: int = 0
    writes: int = 0
    largest: int = 0  # writes of one commit
    seconds: float = 0.0
    slowest: float = 0.0

    def count(self, writes: int, seconds: float) -> None:
        """Count a commit."""
        self.commits += 1
        self.writes += writes
        self.largest = max(self.largest, writes)
        self.seconds += seconds
        self.slowest = max(self.slowest, seconds)

    def __str__(self) -> str:
        """Return the counters as an operator reads them."""
        if not self.commits:
            return "no commits"
        return (
            f"{self.writes} writes in {self.commits} commits of at most {self.largest}; a commit took "
            f"{self.seconds / self.commits * 1000:.1f} ms, and {self.slowest * 1000:.1f} ms at most"
        )


class Journal:
    """The group-commit writer of one process."""

    def __init__(
        self,
        database: Database,
        publisher: Publisher,
        clock: Clock = time.time,
        policy: Policy = _DEFAULT_POLICY,
        responses: ResponseCache | None = None,
    ) -> None:
        self._database = database
        self._publisher = publisher
        self.clock = clock
        self.policy = policy
        self.responses = responses or ResponseCache(clock)
        self.counters = Counters()
        self._bells: dict[str, asyncio.Event] = {}
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
            _log.info("the journal is closed: %s", self.counters)

    @property
    def waiting(self) -> int:
        """How many writes wait for the next commit."""
        return len(self._waiting)

    @property
    def is_writing(self) -> bool:
        """Tell whether the writer is alive and takes new writes."""
        return self._writer is not None and not self._writer.done() and not self._closing

    def bell(self, name: str) -> asyncio.Event:
        """Return what is set whenever a commit has left something to do for whoever goes by the name."""
        return self._bells.setdefault(name, asyncio.Event())

    def begin(self, apply: Apply[D, R], draft: D, *server_ids: str) -> asyncio.Future[R | ParleyError]:
        """Queue one draft behind all that wait, and return its outcome to come; see :meth:`append`."""
        (outcome,) = self._queue(apply, [draft], [server_ids])
        return outcome

    async def append(
        self, apply: Apply[D, R], drafts: Sequence[D], server_ids: Sequence[tuple[str, ...]]
    ) -> list[R | ParleyError]:
        """Commit the drafts, each touching its servers, and return an outcome for each.

        Raises Unavailable if too much waits already, or if the server is shutting down.
        """
        return [await outcome for outcome in self._queue(apply, drafts, server_ids)]

    def _queue(
        self, apply: Apply[D, R], drafts: Sequence[D], server_ids: Sequence[tuple[str, ...]]
    ) -> list[asyncio.Future[R | ParleyError]]:
        if not self.is_writing or len(self._waiting) + len(drafts) > MAX_WAITING:
            raise Unavailable
        loop = asyncio.get_running_loop()
        writes = [
            Write(apply, draft, servers, loop.create_future())
            for draft, servers in zip(drafts, server_ids, strict=True)
        ]
        self._waiting.extend(writes)
        self._wake.set()
        return [write.outcome for write in writes]

    async def append_one(self, apply: Apply[D, R], draft: D, *server_ids: str) -> R:
        """Commit one draft and return its result; raise what :meth:`append` would return."""
        outcome = await self.begin(apply, draft, *server_ids)
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
        attempt = _Attempt(batch, self.clock, self.policy, self.responses)
        began = time.perf_counter()
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
            self.counters.count(len(batch), time.perf_counter() - began)
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
        for name in attempt.bells:
            self.bell(name).set()


def _resolve_all(batch: Sequence[Write[Any, Any]], error: ParleyError) -> None:
    for write in batch:
        write.resolve(error)


class _Attempt:
    """One try at committing a batch, and what came of it."""

    def __init__(
        self, batch: list[Write[Any, Any]], clock: Clock, policy: Policy, responses: ResponseCache
    ) -> None:
        self.batch = batch
        self._policy = policy
        self._responses = responses
        self.outcomes: list[Any] = []
        self.events: list[Event] = []
        self.bells: set[str] = set()
        self._clock = clock

    def run(self, connection: Connection) -> None:
        """Apply the batch inside one transaction."""
        servers = {server_id for write in self.batch for server_id in write.server_ids}
        now = int(self._clock() * 1000)
        transaction = Transaction(connection, servers, now, self._policy, self._responses)
        self.outcomes = []
        for apply, group in itertools.groupby(self.batch, lambda write: write.apply):
            self.outcomes += apply(transaction, [write.draft for write in group])
        transaction.finish()
        self.events, self.bells = transaction.events, transaction.bells

    def is_stored(self, connection: Connection) -> bool:
        """Tell whether the last event of this attempt stands in the log as it was written."""
        if not self.events:
            return False
        # Behind the lock no commit of ours can still be under way.
        store.servers.lock(connection, [self.events[-1].server_id])
        return store.log.has(connection, self.events[-1])
