"""Work that has no end of its own, and goes on beside everything else as long as the node runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any


@contextlib.asynccontextmanager
async def in_background(name: str, work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do the work until the block ends; the name is its task's."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
