"""Coroutines that begin at once, and become tasks only if they have to wait.

Most messages are handled without waiting for anything. A task for each of them would cost more than
the handling does, and a turn of the loop before it begins.
"""

from __future__ import annotations

import asyncio
import functools
import types
from collections.abc import Coroutine, Generator
from typing import Any


def start(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
    """Run the coroutine until it ends or waits; return the task that goes on with it, or None at its end.

    Until it first waits the coroutine runs in no task, so ``asyncio.timeout`` cannot be used there.
    """
    loop = asyncio.get_running_loop()
    if asyncio.current_task() is not None:
        # It would take the caller's task for its own.
        return loop.create_task(coroutine)
    try:
        awaited = coroutine.send(None)
    except StopIteration:
        return None
    return loop.create_task(_go_on(coroutine, awaited))


async def _go_on(coroutine: Coroutine[Any, Any, None], awaited: Any) -> None:
    await _rest(coroutine, awaited)


@types.coroutine
def _rest(coroutine: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
    """Hand on between the task and the coroutine what one says to the other."""
    while True:
        try:
            sent = yield awaited
        except BaseException as error:  # noqa: BLE001 - cancelled, for one
            step = functools.partial(coroutine.throw, error)
        else:
            step = functools.partial(coroutine.send, sent)
        try:
            awaited = step()
        except StopIteration:
            return
