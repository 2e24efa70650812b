"""How a node ends: it says so, lets its clients go in waves, and finishes what was begun.

The first SIGTERM or SIGINT begins the drain. It takes as long as somebody is there, and at most the
seconds that the operator set:

1. The node is not ready any more, and tells each client that it drains. Everything is served as before,
   for a quarter of the time, so that a balancer notices and sends newcomers elsewhere.
2. The listening socket closes, before the first client is sent away: one that comes back to this node
   could only be sent away once more. Refused, it or its balancer tries the next node at once.
3. Clients are let go in waves, spread over half of the time at most. A client whose turn has come is
   not listened to any more; its transport closes when what it had said has been acknowledged and all
   that was sent to it has left. It gets no Socket.IO DISCONNECT, so it comes back by itself.
4. Requests that were begun are answered; streams and long-polls have ended with the second step.

Whoever is still there when the time is over, or when a second signal comes, is cut off. What was
accepted is not: the journal closes after all this, and writes everything that it has taken.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from contextlib import suppress

from handlers.draining import Draining
from server.connections import Connections
from server.followers import Followers
from server.session import Session
from server.socket_connection import SocketConnection
from server.sockets import SocketServer
from server.websocket import RESTART

# Parts of the time that is set: when the first wave goes, and the last.
NOTICE, LAST_WAVE = 1 / 4, 3 / 4
WAVE_SECONDS = 0.05
SMALLEST_WAVE = 25
# When each client is asked to connect again, after its transport has closed.
RETRY_MS = (500, 5_000)

_log = logging.getLogger("parley.drain")


class Drain:
    """The end of one node."""

    def __init__(
        self,
        sockets: SocketServer,
        followers: Followers,
        http: Connections,
        draining: Draining,
        seconds: float,
        hurry: asyncio.Event,
    ) -> None:
        self._sockets = sockets
        self._followers = followers
        self._http = http
        self._draining = draining
        self._seconds = seconds
        self._hurry = hurry
        self._began = 0.0
        self._told: set[SocketConnection] = set()
        self._leaving: set[Session] = set()

    async def run(self, listener: asyncio.Server) -> None:
        """End everything that clients have open; return when nobody is left."""
        self._began = asyncio.get_running_loop().time()
        self._draining.begun.set()
        if self._sockets.sessions:
            _log.info("draining %d clients", len(self._sockets.sessions))
        await self._give_notice()
        listener.close()
        self._draining.closing.set()
        self._followers.ring_all()
        await self._let_clients_go()
        await self._finish_requests()
        await self._cut_off_the_rest()

    async def _give_notice(self) -> None:
        for session in self._sockets.sessions:
            self._tell(session)
        while self._sockets.sessions and not self._is_past(NOTICE):
            await self._pause()

    def _tell(self, session: Session) -> None:
        """Ask the client to come back later, each at another time."""
        for connection in self._sockets.connections_of(session):
            if connection not in self._told:
                self._told.add(connection)
                connection.emit("server_draining", {"retry_after_ms": random.randint(*RETRY_MS)})  # noqa: S311

    async def _let_clients_go(self) -> None:
        while self._sockets.sessions and not self._is_past(1):
            for session in self._next_wave():
                self._tell(session)  # it may have come after the others were told
                session.stop_listening()
                self._leaving.add(session)
            for session in self._sockets.sessions:
                if session in self._leaving and self._has_everything(session):
                    session.close(RESTART)
            await self._pause()

    def _next_wave(self) -> list[Session]:
        """Return the next clients to go: so many that the last wave is in time, however late this one is."""
        staying = [session for session in self._sockets.sessions if session not in self._leaving]
        waves = max(1.0, (LAST_WAVE * self._seconds - self._elapsed) / WAVE_SECONDS)
        return staying[: max(SMALLEST_WAVE, math.ceil(len(staying) / waves))]

    def _has_everything(self, session: Session) -> bool:
        connections = self._sockets.connections_of(session)
        return not session.is_busy and all(connection.is_settled for connection in connections)

    async def _finish_requests(self) -> None:
        await asyncio.sleep(0)  # requests that have just arrived begin
        self._http.finish()
        while self._http.count and not self._is_past(1):
            await self._pause()
            self._http.finish()

    async def _cut_off_the_rest(self) -> None:
        left = len(self._sockets.sessions) + self._http.count
        if left:
            _log.warning("%d clients were not done in time and are cut off", left)
        await self._sockets.close_all()

    @property
    def _elapsed(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    def _is_past(self, part: float) -> bool:
        """Tell whether this part of the time is over; after a second signal all of it is."""
        return self._hurry.is_set() or self._elapsed >= part * self._seconds

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), WAVE_SECONDS)
