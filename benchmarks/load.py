"""Many submitters, each of which sends its next message when the last one is acknowledged, or later."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass

from benchmarks.client import Client
from benchmarks.failure import BenchmarkFailed

DRAIN_SECONDS = 60

_SUCCESS = b'{"success":true'


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run of a load gave: its time, and for each door how long each message took."""

    seconds: float
    latencies: dict[str, list[float]]

    @property
    def messages(self) -> int:
        """How many messages were acknowledged."""
        return sum(map(len, self.latencies.values()))


class Submitter:
    """One author at one connection."""

    def __init__(self, load: Load, author_id: str, body: bytes, *, with_ids: bool) -> None:
        self.author_id = author_id
        self.acknowledged = 0
        self.due = 0.0
        self._load = load
        self._body = body
        self._with_ids = with_ids

    def submit(self, client: Client, due: float) -> None:
        """Send the next message, which was due at the time given: its latency counts from then."""
        body = self._body
        if self._with_ids:
            body = b'%b,"messageId":"m%d"}' % (body[:-1], self.acknowledged)
        self.due = due
        client.submit(body)

    def answered(self, client: Client, answer: bytes) -> None:
        """Count the message, and send another if the run goes on."""
        if answer.startswith(_SUCCESS):
            self.acknowledged += 1
            self._load.acknowledged(self, client)
        else:
            self._load.fail(f"{client.door} answered {answer[:300]!r}")

    def failed(self, _client: Client, reason: str) -> None:
        """Stop the run: a lost connection would make the load smaller than it says."""
        self._load.fail(reason)


class Load:
    """The submitters of one server, run for a while, once or several times.

    ``rate`` is how many messages all together send in a second; 0 is as many as they can.
    """

    def __init__(self, rate: float = 0) -> None:
        self._rate = rate
        self._pause = 0.0
        self._last = 0.0  # when the newest answer came
        self._submitters: list[tuple[Submitter, Client]] = []
        self._is_open = False
        self._outstanding = 0
        self._latencies: dict[str, list[float]] = {}
        self._drained: asyncio.Future[None] | None = None
        self._failure: BenchmarkFailed | None = None

    def add(self, submitter: Submitter, client: Client) -> None:
        """Let a submitter with its ready connection take part in the next run."""
        self._submitters.append((submitter, client))

    async def run(self, seconds: float) -> Sample:
        """Submit for so long; the clock stops when everything that was sent is acknowledged."""
        if self._failure:
            raise self._failure
        loop = asyncio.get_running_loop()
        self._latencies = {client.door: [] for _, client in self._submitters}
        self._outstanding = len(self._submitters)
        self._pause = self._outstanding / self._rate if self._rate else 0.0
        self._drained = loop.create_future()
        self._is_open = True
        loop.call_later(seconds, self._stop)
        began = time.perf_counter()
        for number, (submitter, client) in enumerate(self._submitters):
            self._submit_at(began + self._pause * number / self._outstanding, submitter, client)
        try:
            await asyncio.wait_for(self._drained, seconds + DRAIN_SECONDS)
        except TimeoutError:
            raise BenchmarkFailed(f"{self._outstanding} messages were never acknowledged") from None
        return Sample(self._last - began, self._latencies)

    def acknowledged(self, submitter: Submitter, client: Client) -> None:
        """Note an answer and see to the submitter's next message."""
        now = self._last = time.perf_counter()
        self._latencies[client.door].append(now - submitter.due)
        self._submit_at(submitter.due + self._pause if self._pause else now, submitter, client)

    def _submit_at(self, due: float, submitter: Submitter, client: Client) -> None:
        """Submit when it is time; a submitter whose answer came too late for that submits at once."""
        wait = due - time.perf_counter() if self._pause and self._is_open else 0
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._submit, due, submitter, client)
        else:
            self._submit(due, submitter, client)

    def _submit(self, due: float, submitter: Submitter, client: Client) -> None:
        if self._is_open:
            submitter.submit(client, due)
            return
        self._outstanding -= 1
        if not self._outstanding and self._drained and not self._drained.done():
            self._drained.set_result(None)

    def fail(self, reason: str) -> None:
        """Stop the run, or the next one, with a reason."""
        self._failure = self._failure or BenchmarkFailed(reason)
        if self._drained and not self._drained.done():
            self._drained.set_exception(self._failure)

    def close(self) -> None:
        """Close every connection."""
        for _, client in self._submitters:
            client.close()

    def counts(self) -> Counter[str]:
        """Return how many messages of each author were acknowledged in all runs."""
        return Counter({submitter.author_id: submitter.acknowledged for submitter, _ in self._submitters})

    def _stop(self) -> None:
        self._is_open = False
