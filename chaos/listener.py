"""Clients that follow the log for as long as the trial lasts, and come back whenever they are cut off."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from chaos.failure import CUT_OFF
from chaos.history import History, Resync, Visit
from chaos.site import Site

RETURN_SECONDS = (0.05, 0.25)  # how long a client stays away, between these


class Door(Protocol):
    """One way to follow the log."""

    name: str

    async def visit(self, listener: Listener) -> None:
        """Follow the log from the listener's cursor on until the connection is over, or raise."""


class Listener:
    """One client, what it saw, and the newest cursor that it has.

    With several doors it takes another one at every return.
    """

    def __init__(self, site: Site, history: History, token: str, doors: Sequence[Door]) -> None:
        self.site = site
        self.history = history
        self.token = token
        self.cursor: str | None = None
        self._doors = itertools.cycle(doors)
        self.stands = asyncio.Event()  # set once it has a position in the log
        self._news = asyncio.Event()
        self._standing: str | None = None
        self._top = 0

    @property
    def now(self) -> Visit:
        """The visit that lasts."""
        return self.history.visits[-1]

    async def run(self) -> None:
        """Follow the log until cancelled."""
        while True:
            door = next(self._doors)
            self.history.visits.append(Visit(door.name))
            with suppress(*CUT_OFF):
                await door.visit(self)
            await asyncio.sleep(self.site.dice.uniform(*RETURN_SECONDS))

    def begin(self, cursor: str) -> None:
        """Learn where the node says that the client stands, which counts if it stood nowhere before."""
        self.now.start = self.site.keys.place(cursor)
        self._standing = cursor
        self.cursor = self.cursor or cursor
        self.stands.set()

    def begin_anew(self, reason: str) -> None:
        """Learn that what was missed will not come, and that the client stands where it has just begun."""
        stated = self.site.keys.place(self.cursor) if self.cursor else None
        self.now.resync = Resync(reason, stated)
        self.cursor = self._standing

    def see(self, kind: str, payload: Mapping[str, Any], cursor: str | None) -> None:
        """Take an event, with the cursor of whoever has seen it."""
        self.now.see(kind, payload)
        self._top = max(self._top, payload["seq"])
        self.cursor = cursor or self.cursor
        self._news.set()

    async def reaches(self, seq: int) -> float:
        """Wait until the client has seen that much of the log, and return when that was."""
        while self._top < seq:
            self._news.clear()
            await self._news.wait()
        return next(sight.at for visit in self.history.visits for sight in visit.seen if sight.seq >= seq)
