"""Sends runs to agents' webhooks, and replies to platforms: at once, then again, a few at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator

from rooms import deliveries, outbox
from rooms.context import Context
from rooms.errors import ParleyError
from rooms.outbox import State
from rooms.parcels import Outcome, Parcel
from rooms.rows import DueDelivery
from server.background import in_background, outlasting
from server.fetcher import Answer, Fetcher, FetchFailed, Request

LOOK_SECONDS = 1.0
ATTEMPT_SECONDS = 15.0
MAX_ANSWER = 1024 * 1024
AT_ONCE = 8
AT_ONCE_TO_ONE = 4  # an agent that hangs leaves room for the others

_log = logging.getLogger("parley.courier")


@contextlib.asynccontextmanager
async def delivering(ctx: Context, fetcher: Fetcher) -> AsyncIterator[None]:
    """Send what is due, again and again, until the block ends."""
    courier = Courier(ctx, fetcher)
    try:
        async with in_background("courier", courier.work_for_ever()):
            yield
    finally:
        await courier.stop()


class Courier:
    """Makes attempts at deliveries, a few at a time."""

    def __init__(self, ctx: Context, fetcher: Fetcher) -> None:
        self._ctx = ctx
        self._fetcher = fetcher
        self._bell = ctx.journal.bell(outbox.BELL)
        self.attempts: dict[asyncio.Task[None], Parcel] = {}

    async def work_for_ever(self) -> None:
        """Begin attempts as they fall due: after each commit that queued some, and each that has ended."""
        while True:
            self._bell.clear()
            with outlasting(_log, "looking for what is due to be sent"):
                while await self.begin():
                    pass
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._bell.wait(), LOOK_SECONDS)

    async def begin(self) -> int:
        """Begin as many attempts as are due and as there is room for; return how many were due."""
        taken = await deliveries.take(self._ctx, await self._choose())
        for parcel in filter(None, taken):
            task = asyncio.create_task(self._attempt(parcel), name=f"delivery {parcel.delivery_id}")
            self.attempts[task] = parcel
            task.add_done_callback(self._end)
        return len(taken)

    async def _choose(self) -> list[DueDelivery]:
        """Return what is due, as far as there is room for it."""
        under_way = Counter(parcel.agent_id for parcel in self.attempts.values())
        busy = [agent_id for agent_id, count in under_way.items() if count >= AT_ONCE_TO_ONE]
        room = AT_ONCE - len(self.attempts)
        chosen = []
        for due in await deliveries.list_due(self._ctx, busy, room) if room else ():
            under_way[due.agent_id] += 1
            if under_way[due.agent_id] <= AT_ONCE_TO_ONE:
                chosen.append(due)
        return chosen

    async def stop(self) -> None:
        """Break off what is under way; it is tried again soon, by whoever comes next."""
        broken_off = dict(self.attempts)
        for task in broken_off:
            task.cancel()
        await asyncio.gather(*broken_off, return_exceptions=True)
        for task, parcel in broken_off.items():
            if task.cancelled():
                await self._settle(Outcome(parcel, error="interrupted"))

    def _end(self, task: asyncio.Task[None]) -> None:
        del self.attempts[task]
        self._bell.set()

    async def _attempt(self, parcel: Parcel) -> None:
        await self._settle(await self._send(parcel))

    async def _send(self, parcel: Parcel) -> Outcome:
        letter = parcel.letter
        if letter is None:
            return Outcome(parcel, error=parcel.error)
        request = Request(letter.method, letter.url, letter.headers, letter.body, ATTEMPT_SECONDS, MAX_ANSWER)
        try:
            answer = await self._fetcher.fetch(request)
        except FetchFailed as error:
            return Outcome(parcel, error=error.reason)
        except Exception:  # noqa: BLE001 - it counts as a failed attempt, whatever it is
            _log.exception("delivery %s could not be sent", parcel.delivery_id)
            return Outcome(parcel, error="internal_error")
        return _outcome(parcel, answer)

    async def _settle(self, outcome: Outcome) -> None:
        parcel = outcome.parcel
        try:
            state = await deliveries.settle(self._ctx, outcome)
        except ParleyError as error:
            _log.warning(
                "delivery %s is sent again, as it cannot be settled: %s", parcel.delivery_id, error.details
            )
            return
        if state is State.DEAD:
            _log.warning(
                "delivery %s for agent %s is dead: %s",
                parcel.delivery_id,
                parcel.agent_id,
                outcome.error,
            )


def _outcome(parcel: Parcel, answer: Answer) -> Outcome:
    is_taken = 200 <= answer.status < 300
    return Outcome(
        parcel,
        answer.body,
        error=None if is_taken else f"status_{answer.status}",
        is_gone=answer.status == 410,
        status=answer.status,
        headers=answer.headers,
    )
