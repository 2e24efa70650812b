"""Clients that read a log by themselves, over HTTP: each waits until there is something for it.

Nothing is kept for them and nothing encoded: whoever is woken reads what it has not seen, at its own pace.
"""

from __future__ import annotations

import asyncio
from typing import Self

from handlers.draining import Draining
from rooms.cursors import Cursor
from rooms.principals import Principal
from rooms.views import View
from server.fanout import FOLLOWERS, Fanout
from server.frames import Outgoing


class Follower:
    """One client, where it stands, and the bell that wakes it.

    While it ``is_live`` everything that it is shown has been read, and the fan-out rings for more.
    """

    __slots__ = (
        "_bell",
        "_fanout",
        "_followers",
        "cursor",
        "is_live",
        "moves",
        "principal",
        "server_id",
        "view",
    )

    id = ""
    namespace = FOLLOWERS
    speaks_eliza = hears_whispers = hears_chunks = False
    is_full = False

    def __init__(self, followers: Followers, fanout: Fanout, principal: Principal, cursor: Cursor) -> None:
        self.principal = principal
        self.server_id = cursor.server_id
        self.cursor = cursor
        self.view = View()
        self.moves = 0
        self.is_live = False
        self._followers = followers
        self._fanout = fanout
        self._bell: asyncio.Future[None] | None = None

    def __enter__(self) -> Self:
        """Return the follower."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Forget it."""
        self._followers.forget(self)

    @property
    def principal_id(self) -> str:
        """Whose client it is."""
        return self.principal.id

    @property
    def is_over(self) -> bool:
        """Tell whether the process is about to stop."""
        return self._followers.are_over

    async def wait(self, seconds: float) -> None:
        """Wait until there is something to read, so long at most; its reader must stand in the present."""
        if self.is_over:
            return
        loop = asyncio.get_running_loop()
        self._bell = loop.create_future()
        self._fanout.go_live(self)
        timer = loop.call_later(seconds, self.ring)
        try:
            await self._bell
        finally:
            timer.cancel()
            if self.is_live:
                # Nobody rang, so that nothing up to here concerns the client.
                self.cursor = self._fanout.position(self.server_id)
                self.is_live = False

    def send(self, outgoing: Outgoing) -> None:
        """Be told from which seq on there is something to read."""
        if self.is_live:
            # Not live from this step on, so that the fan-out closes its view and drops nothing of it.
            self.is_live = False
            self.cursor = self.cursor._replace(seq=int(outgoing.packets[0]) - 1)
            self.ring()

    def ask_for_more(self) -> None:
        """Nothing is kept for it."""

    def ring(self) -> None:
        """Let the client wait no longer."""
        if self._bell is not None and not self._bell.done():
            self._bell.set_result(None)


class Followers:
    """Every such client of this node."""

    def __init__(self, fanout: Fanout, draining: Draining) -> None:
        self._fanout = fanout
        self._draining = draining
        self._present: set[Follower] = set()

    @property
    def are_over(self) -> bool:
        """Tell whether the process is about to stop."""
        return self._draining.closing.is_set()

    def follow(self, principal: Principal, start: Cursor) -> Follower:
        """Know a client from now on."""
        follower = Follower(self, self._fanout, principal, start)
        self._fanout.add(follower)
        self._present.add(follower)
        return follower

    def forget(self, follower: Follower) -> None:
        """Know the client no longer."""
        self._present.discard(follower)
        self._fanout.remove(follower)

    def ring_all(self) -> None:
        """Let nobody wait any longer: once the node is closing, every request ends then."""
        for follower in self._present:
            follower.ring()
