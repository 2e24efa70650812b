"""Requests that wait: for what comes next in a log, or for runs to end, which the log tells as well.

Whoever waits is woken by what happens, and asks the database nothing meanwhile.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from handlers.following import Follower, NextPage
from handlers.http import Call, Gate
from handlers.later import Later
from handlers.parsing import whole_number
from rooms import keys, replay, runs
from rooms.context import Context
from rooms.cursors import Cursor
from rooms.principals import Principal
from rooms.replay import Placed, Reader
from rooms.rows import Interval, Run
from rooms.views import View

MAX_WAIT = 55


def read_wait(call: Call[Any], default: int = 0) -> int:
    """Return for how many seconds at most the answer is waited for."""
    return whole_number(call.query, "wait", default, MAX_WAIT)


async def next_shown(ctx: Context, follower: Follower, next_page: NextPage, seconds: float) -> list[Placed]:
    """Return what the follower is shown next, or nothing if nothing comes in so many seconds."""
    clock = asyncio.get_running_loop().time
    until = clock() + seconds
    has_waited = False
    while True:
        page = await next_page(ctx, follower)
        if page:
            if has_waited:
                await keys.require_current(ctx, follower.principal)
            return page
        if page is None:
            left = until - clock()
            if left <= 0 or follower.is_over:
                return []
            await follower.wait(left)
            has_waited = True


def _are_over(found: Sequence[Run]) -> bool:
    return all(runs.is_over(run) for run in found)


LookUp = Callable[[], Awaitable[Sequence[Run]]]


@dataclass(frozen=True, slots=True)
class RunsWait:
    """Waits for runs of one channel until it ``is_enough``, or as long as it may, and then ``tell``s of them.

    It must be enough if they are all over, which is what is waited for unless told.
    """

    gate: Gate
    principal: Principal
    look_up: LookUp
    tell: Callable[[Sequence[Run]], Awaitable[Any]]
    is_enough: Callable[[Sequence[Run]], bool] = _are_over

    async def answer(self, found: Sequence[Run], seconds: int) -> Any:
        """Return what is told, now or later; the runs have been looked up just now."""
        if not seconds or self.is_enough(found):
            return await self.tell(found)
        home = found[0].server_id, found[0].channel_id
        return Later(functools.partial(self._wait, *home, [run.id for run in found], seconds))

    async def _wait(self, server_id: str, channel_id: str, run_ids: list[str], seconds: int) -> Any:
        ctx, clock = self.gate.ctx, asyncio.get_running_loop().time
        until = clock() + seconds
        next_ends = ends_of(run_ids)
        with await follow_channel(self.gate, self.principal, server_id, channel_id) as follower:
            # What ended before the present may have done so since it was looked up.
            while not self.is_enough(await self.look_up()):
                if not await next_shown(ctx, follower, next_ends, until - clock()):
                    break
        await keys.require_current(ctx, self.principal)
        return await self.tell(await self.look_up())


async def follow_channel(gate: Gate, principal: Principal, server_id: str, channel_id: str) -> Follower:
    """Return who follows one channel, from now on."""
    await replay.settle(gate.ctx, server_id)
    present = Cursor(server_id, *gate.ctx.tail.position(server_id))
    follower = gate.followers.follow(principal, present)
    follower.view = View([(channel_id, Interval(0, None))], only=[channel_id])
    return follower


def ends_of(run_ids: Collection[str]) -> NextPage:
    """Return what reads of a log nothing but the ends of these runs."""

    async def next_page(ctx: Context, reader: Reader) -> list[Placed] | None:
        page = await replay.next_page(ctx, reader)
        return page and [
            placed for placed in page if placed.entry.kind == "complete" and _run_id(placed) in run_ids
        ]

    return next_page


def _run_id(end: Placed) -> str:
    run_id: str = orjson.loads(end.entry.payload)["run_id"]
    return run_id
