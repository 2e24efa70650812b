"""Requests that wait for what comes next in a log; each is woken by it, and asks nothing meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

from handlers.following import Follower, NextPage
from handlers.http import Call
from handlers.parsing import whole_number
from rooms import keys
from rooms.replay import Placed

MAX_WAIT = 55
# How often somebody who waits looks whether there is still anybody to answer.
LOOK_SECONDS = 15.0


def read_wait(call: Call[Any]) -> int:
    """Return for how many seconds at most the answer is waited for."""
    return whole_number(call.query, "wait", 0, MAX_WAIT)


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
