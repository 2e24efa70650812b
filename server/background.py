"""Work that has no end of its own, and goes on beside everything else as long as the node runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

from rooms.errors import ParleyError


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


@contextlib.contextmanager
def outlasting(log: logging.Logger, work: str) -> Iterator[None]:
    """Log what goes wrong in the block, whatever it is, and go on: the next time it may be gone."""
    try:
        yield
    except ParleyError as error:
        log.warning("%s is not possible at the moment: %s", work, error.details)
    except Exception:
        log.exception("%s has failed", work)
