"""Deadlines that are all equally long, kept by one timer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

S = TypeVar("S")


class Deadlines(Generic[S]):
    """Calls ``due`` with each subject, once, ``delay`` seconds (of monotonic time) after it was added.

    Equal delays fall due in the order in which they were added: a queue and one timer hold any number
    of them. Whether the subject still cares is for ``due`` to see.
    """

    def __init__(self, delay: float, due: Callable[[S], None]) -> None:
        self._delay = delay
        self._due = due
        self._queue: deque[tuple[float, S]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, subject: S) -> None:
        """Begin the subject's delay."""
        loop = asyncio.get_running_loop()
        self._queue.append((loop.time() + self._delay, subject))
        if self._timer is None:
            self._timer = loop.call_at(self._queue[0][0], self._run)

    def stop(self) -> None:
        """Forget everything."""
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _run(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        # A timer may fire a hair early; what is due within that is due now.
        now = loop.time() + 0.0005
        try:
            while self._queue and self._queue[0][0] <= now:
                self._due(self._queue.popleft()[1])
        finally:  # one that fails does not stop the others
            if self._queue and self._timer is None:
                self._timer = loop.call_at(self._queue[0][0], self._run)
