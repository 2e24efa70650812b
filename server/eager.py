"""Coroutines that begin at once, and become tasks only if they have to wait.

Most messages are handled without waiting for anything. A task for each of them would cost more than
the handling does, and a turn of the loop before it begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any


def start(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
    """Run the coroutine until it ends or waits; return the task that goes on with it, or None at its end.

    Until it first waits the coroutine runs in no task, so ``asyncio.timeout`` cannot be used there.
    """
    try:
        awaited = coroutine.send(None)
    except StopIteration:
        return None
    return asyncio.get_running_loop().create_task(_go_on(coroutine, awaited))


async def _go_on(coroutine: Coroutine[Any, Any, None], awaited: Any) -> None:
    await _Rest(coroutine, awaited)


class _Rest:
    """What remains of a coroutine that waits for something."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], awaited: Any) -> None:
        self._coroutine = coroutine
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, None]:
        """Hand on between the task and the coroutine what one says to the other."""
        while True:
            try:
                sent = yield self._awaited
            except BaseException as error:  # noqa: BLE001 - cancelled, for one
                step = self._throw(error)
            else:
                step = self._send(sent)
            if not step:
                return

    def _send(self, value: Any) -> bool:
        try:
            self._awaited = self._coroutine.send(value)
        except StopIteration:
            return False
        return True

    def _throw(self, error: BaseException) -> bool:
        try:
            self._awaited = self._coroutine.throw(error)
        except StopIteration:
            return False
        return True
