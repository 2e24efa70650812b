"""Ends runs and approvals whose time has passed: so that none stays open because nobody is there."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from rooms import completion, decisions
from rooms.completion import Overdue
from rooms.context import Context
from server.background import in_background, outlasting
from server.fanout import Fanout

LOOK_SECONDS = 1.0

_log = logging.getLogger("parley.runs")


@contextlib.asynccontextmanager
async def ending_overdue(ctx: Context, fanout: Fanout) -> AsyncIterator[None]:
    """Look after what is open, again and again, until the block ends."""
    async with in_background("runs", _look_for_ever(ctx, fanout)):
        yield


async def _look_for_ever(ctx: Context, fanout: Fanout) -> None:
    while True:
        with outlasting(_log, "ending runs and approvals"):
            await end_overdue(ctx, fanout)
        await asyncio.sleep(LOOK_SECONDS)


async def end_overdue(ctx: Context, fanout: Fanout) -> None:
    """End every approval, and then every run, whose time has passed.

    A run has a new lease once the approval that it has waited for is over.
    """
    while expired := await decisions.list_expired(ctx):
        if not await decisions.expire(ctx, expired):
            break
    left = 0  # that cannot be ended now; with the next look they are tried again
    while due := await completion.list_overdue(ctx, skipped=left):
        overdue = [
            Overdue(run_id, server_id, fanout.is_present(server_id, agent_id))
            for run_id, server_id, agent_id in due
        ]
        left += len(due) - await completion.end_overdue(ctx, overdue)
