"""Writes down what is streamed of replies, once a second, as long as the node runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from rooms import checkpoints
from rooms.context import Context
from server.background import in_background, outlasting

SAVE_SECONDS = 1.0

_log = logging.getLogger("parley.runs")


@contextlib.asynccontextmanager
async def saving(ctx: Context) -> AsyncIterator[None]:
    """Go on with the streams that are open in the database, and save them all until the block ends."""
    await checkpoints.load(ctx)
    try:
        async with in_background("streams", _save_for_ever(ctx)):
            yield
    finally:
        await _save(ctx)


async def _save_for_ever(ctx: Context) -> None:
    while True:
        await asyncio.sleep(SAVE_SECONDS)
        await _save(ctx)


async def _save(ctx: Context) -> None:
    with outlasting(_log, "writing what is streamed"):
        await checkpoints.save(ctx)
