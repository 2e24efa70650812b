"""The task that forgets, now and then, what is kept no longer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Container

from rooms import retention
from rooms.context import Context
from rooms.retention import Retention
from server.background import in_background

FIRST_SECONDS = 60.0  # after the start, when clients have come back
EVERY_SECONDS = 300.0
PAUSE_SECONDS = 0.05  # between two commits, for the writes of others

_log = logging.getLogger("parley.retention")


@contextlib.asynccontextmanager
async def forgetting(ctx: Context, bounds: Retention, held: Container[str]) -> AsyncIterator[None]:
    """Forget what lies outside of the bounds, again and again, until the block ends.

    ``held`` are, at any time, the ids of the connections that are open.
    """
    async with in_background("retention", _forget_for_ever(ctx, bounds, held)):
        yield


async def _forget_for_ever(ctx: Context, bounds: Retention, held: Container[str]) -> None:
    await asyncio.sleep(FIRST_SECONDS)
    while True:
        try:
            await _forget(ctx, bounds, held)
        except Exception:  # noqa: BLE001 - whatever it is, the next time it may be gone
            _log.exception("retention failed, and is tried again in %d s", EVERY_SECONDS)
        await asyncio.sleep(EVERY_SECONDS)


async def _forget(ctx: Context, bounds: Retention, held: Container[str]) -> None:
    total = 0
    async with contextlib.aclosing(retention.forget(ctx, bounds, held)) as steps:
        async for forgotten in steps:
            total += forgotten
            await asyncio.sleep(PAUSE_SECONDS)
    if total:
        _log.info("%d rows have outlived the retention and are gone", total)
