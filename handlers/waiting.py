"""Requests that wait: for what comes next in a log, or for runs to end, which the log tells as well.

Whoever waits is woken by what happens, and asks the database nothing meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson

from handlers.following import Follower, NextPage
from handlers.http import Call
from handlers.parsing import whole_number
from rooms import keys, replay, runs
from rooms.context import Context
from rooms.cursors import Cursor
from rooms.replay import Placed, Reader
from rooms.rows import Interval, Run
from rooms.views import View

MAX_WAIT = 55
# How often somebody who waits looks whether there is still anybody to answer.
LOOK_SECONDS = 15.0


def read_wait(call: Call[Any], default: int = 0) -> int:
    """Return for how many seconds at most the answer is waited for."""
    return whole_number(call.query, "wait", default, MAX_WAIT)


async def next_shown(
    call: Call[Any], follower: Follower, next_page: NextPage, seconds: float
) -> list[Placed]:
    """Return what the follower is shown next, or nothing if nothing comes in so many seconds."""
    clock = asyncio.get_running_loop().time
    until = clock() + seconds
    has_waited = False
    while True:
        page = await next_page(call.ctx, follower)
        if page:
            if has_waited:
                await keys.require_current(call.ctx, call.principal)
            return page
        if page is None:
            left = until - clock()
            if left <= 0 or follower.is_over or call.request.transport is None:
                return []
            await follower.wait(min(left, LOOK_SECONDS))
            has_waited = True


def _are_over(found: Sequence[Run]) -> bool:
    return all(runs.is_over(run) for run in found)


async def until_over(
    call: Call[Any],
    look_up: Callable[[], Awaitable[Sequence[Run]]],
    seconds: float,
    is_enough: Callable[[Sequence[Run]], bool] = _are_over,
) -> Sequence[Run]:
    """Return the runs of one channel, once it is enough, or as they are at the end of the wait.

    It must be enough if they are all over, which is what is waited for unless told.
    """
    found = await look_up()
    if not seconds or is_enough(found):
        return found
    async with following_channel(call, found[0].server_id, found[0].channel_id) as follower:
        # What ended before the present may have done so since it was looked up.
        found = await look_up()
        clock = asyncio.get_running_loop().time
        until = clock() + seconds
        next_ends = ends_of({run.id for run in found})
        while not is_enough(found) and await next_shown(call, follower, next_ends, until - clock()):
            found = await look_up()
    await keys.require_current(call.ctx, call.principal)
    return await look_up()


@asynccontextmanager
async def following_channel(call: Call[Any], server_id: str, channel_id: str) -> AsyncIterator[Follower]:
    """Follow one channel, from now on, until the block ends."""
    await replay.settle(call.ctx, server_id)
    present = Cursor(server_id, *call.ctx.tail.position(server_id))
    with call.gate.followers.follow(call.principal, present) as follower:
        follower.view = View([(channel_id, Interval(0, None))], only=[channel_id])
        yield follower


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
