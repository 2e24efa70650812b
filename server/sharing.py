"""Answers runs that await the reply of another one, as soon as that is there."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from rooms import runs, sharing
from rooms.context import Context
from server.background import in_background, outlasting

LOOK_SECONDS = 5.0  # should a commit of another process, or of the one before this, have left something

_log = logging.getLogger("parley.runs")


@contextlib.asynccontextmanager
async def sharing_replies(ctx: Context) -> AsyncIterator[None]:
    """Settle what is to be settled after each commit that may have left some, until the block ends."""
    async with in_background("sharing", _settle_for_ever(ctx)):
        yield


async def _settle_for_ever(ctx: Context) -> None:
    bell = ctx.journal.bell(runs.BELL)
    while True:
        bell.clear()
        with outlasting(_log, "answering what awaits a reply"):
            while await sharing.settle(ctx):
                pass
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(bell.wait(), LOOK_SECONDS)
