"""The newest lines of the process's log, for those who may read it, and their delivery to who follows it.

Lines are kept in memory, and the oldest give way. Whoever follows them is sent what it takes: a reader that
is slow misses lines, and costs nobody anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from handlers.connection import Connection

KEPT = 1_000
AT_ONCE = 200  # lines to one reader
LONGEST = 500  # characters of a line
TOGETHER_SECONDS = 0.1  # lines that come within it are sent together
LEVELS = {
    "fatal": 60,
    "error": 50,
    "warn": 40,
    "info": 30,
    "log": 29,
    "progress": 28,
    "success": 27,
    "debug": 20,
    "trace": 10,
}

_APART = 10  # elizaOS's number of a level is that much more than Python's


class Entry(NamedTuple):
    """A line of the log; ``time`` is in epoch milliseconds, ``level`` as elizaOS counts them."""

    time: int
    level: int
    text: str

    def told(self) -> dict[str, Any]:
        """Return the line as elizaOS's clients read it."""
        return {"time": self.time, "level": self.level, "msg": self.text}


class Filters(NamedTuple):
    """Which lines somebody follows: those of a level and above; of one agent there are none."""

    level: int = 0
    agent_name: str = "all"

    def admit(self, entry: Entry) -> bool:
        """Tell whether the line is wanted."""
        return entry.level >= self.level and self.agent_name == "all"


class _Reader:
    """Somebody who follows the log, and up to where it was told."""

    def __init__(self, seen: int) -> None:
        self.seen = seen
        self.filters = Filters()


class Logbook(logging.Handler):
    """Keeps the newest lines, and tells them to those who follow."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[Entry] = deque(maxlen=KEPT)
        self._count = 0  # lines that ever were
        self._readers: dict[Connection, _Reader] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_due = False

    @asynccontextmanager
    async def attached(self, logger: logging.Logger) -> AsyncIterator[None]:
        """Keep what the logger says until the block ends."""
        self._loop = asyncio.get_running_loop()
        logger.addHandler(self)
        try:
            yield
        finally:
            logger.removeHandler(self)
            self._loop = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line: what was said, and of an exception its kind alone."""
        kind = record.exc_info[0] if record.exc_info else None
        text = f"{record.getMessage()} ({kind.__qualname__})" if kind else record.getMessage()
        self._lines.append(Entry(int(record.created * 1000), record.levelno + _APART, text[:LONGEST]))
        self._count += 1
        # Lines come from any thread.
        if self._readers and not self._is_due and self._loop is not None:
            self._is_due = True
            self._loop.call_soon_threadsafe(self._loop.call_later, TOGETHER_SECONDS, self._tell)

    def lines(self) -> list[Entry]:
        """Return the lines that are kept, the oldest first."""
        return list(self._lines)

    def clear(self) -> int:
        """Forget the lines, and return how many they were."""
        count = len(self._lines)
        self._lines.clear()
        return count

    def follow(self, connection: Connection) -> None:
        """Tell the connection what is said from now on."""
        self._readers.setdefault(connection, _Reader(self._count))

    def leave(self, connection: Connection) -> None:
        """Tell the connection nothing any more."""
        self._readers.pop(connection, None)

    def filter_for(self, connection: Connection, change: Mapping[str, Any]) -> Filters | None:
        """Change which lines the connection is told, and return that, or None if it does not follow."""
        reader = self._readers.get(connection)
        if reader is None:
            return None
        if not connection.is_full:
            self._tell_one(connection, reader)  # by the filters under which it was said
        reader.filters = reader.filters._replace(**change)
        return reader.filters

    def _tell(self) -> None:
        self._is_due = False
        for connection in [connection for connection in self._readers if connection.is_over]:
            self.leave(connection)
        for connection, reader in self._readers.items():
            if not connection.is_full:
                self._tell_one(connection, reader)

    def _tell_one(self, connection: Connection, reader: _Reader) -> None:
        # A copy: other threads, and what comes of telling, add lines meanwhile.
        kept, new = self.lines(), min(self._count - reader.seen, AT_ONCE)
        reader.seen = self._count
        for entry in kept[-new:] if new else ():
            if reader.filters.admit(entry):
                connection.emit("log_stream", {"type": "log_entry", "payload": entry.told()})
