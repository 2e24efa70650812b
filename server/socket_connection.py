"""One client in one namespace: what it is sent, and what was begun for it."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from typing import Any

from handlers.connection import Begun
from rooms.cursors import Cursor, Lag
from rooms.principals import Principal
from rooms.views import View
from server import packets
from server.fanout import Fanout
from server.session import Session
from server.websocket import TRY_LATER

ELIZA_NAMESPACE = "/"
CURSOR_EVENTS = 1_000
MAX_BEGUN = 16  # writes of one connection that wait for the same commits

_log = logging.getLogger("parley.sockets")


class SocketConnection:
    """One client in one namespace."""

    __slots__ = (
        "_begun",
        "_catch_up",
        "_fanout",
        "_newest",
        "catching_up",
        "cursor",
        "generation",
        "hears_whispers",
        "id",
        "is_left",
        "is_live",
        "moves",
        "namespace",
        "pid_id",
        "principal",
        "send",
        "server_id",
        "session",
        "speaks_eliza",
        "told",
        "view",
    )

    hears_chunks = True

    # Set when the client is let in. While it catches up the cursor is where it stands.
    pid_id: str
    cursor: Cursor

    def __init__(
        self,
        sid: str,
        namespace: str,
        server_id: str,
        principal: Principal,
        fanout: Fanout,
        session: Session,
        catch_up: Callable[[SocketConnection], None],
    ) -> None:
        self.id = sid
        self.namespace = namespace
        self.server_id = server_id
        self.principal = principal
        self.speaks_eliza = namespace == ELIZA_NAMESPACE
        self.hears_whispers = False  # nothing is sent to it before it is let in
        self.view = View()
        self.moves = 0
        self.generation = 0
        self.told = 0  # the seq of the last cursor that was sent by itself
        self.is_live = self.is_left = False
        self.catching_up: asyncio.Task[None] | None = None
        self._begun = 0
        self._newest: asyncio.Future[Any] | None = None
        self._fanout = fanout
        self.session = session
        self._catch_up = catch_up  # begins soon, behind what is being handled
        self.send = session.send  # queues packets behind everything that was sent before

    @property
    def principal_id(self) -> str:
        """Whose connection it is."""
        return self.principal.id

    def acknowledge(self, ack_id: int | None, reply: dict[str, Any]) -> None:
        """Answer an event, if the client asked for that."""
        if ack_id is not None:
            self.send(packets.ack(self.namespace, ack_id, reply))

    async def follow(self, begun: Begun, ack_id: int | None) -> None:
        """Acknowledge what was begun when it ends; wait for that if much has begun already."""
        self._begun += 1
        self._newest = begun.outcome
        begun.outcome.add_done_callback(functools.partial(self._finish, begun, ack_id))
        if self._begun >= MAX_BEGUN:
            await self.settled()

    def _finish(self, begun: Begun, ack_id: int | None, outcome: asyncio.Future[Any]) -> None:
        self._begun -= 1
        if not self._begun:
            self._newest = None
        try:
            self.acknowledge(ack_id, begun.answer(outcome.result()))
        except Exception:  # noqa: BLE001 - a client must not wait for ever on a connection that looks well
            _log.exception("an event could not be acknowledged")
            self.session.violate()

    @property
    def is_settled(self) -> bool:
        """Tell whether everything that was begun for this client has been acknowledged."""
        return not self._begun

    async def settled(self) -> None:
        """Wait until everything that was begun for this client has its outcome."""
        if self._newest is not None:
            await asyncio.wait([self._newest])  # outcomes come in the order in which they were begun

    def emit(self, event: str, *arguments: Any) -> None:
        """Send an event to this client alone."""
        self.send(packets.event(self.namespace, event, *arguments))

    @property
    def is_over(self) -> bool:
        """Tell whether nothing can be sent to the client any more."""
        return self.is_left or self.session.closed

    @property
    def is_full(self) -> bool:
        """Tell whether the client takes less than it is sent."""
        return self.session.is_full

    def ask_for_more(self) -> None:
        """Have what the client is owed of replies sent once there is room."""
        self.session.ask_for_more()

    def make_up(self) -> None:
        """Send what the client is owed of a reply; there is room for it."""
        self._fanout.relay.make_up(self)

    def drop(self) -> None:
        """Close the transport, so that the client comes back."""
        self.session.close(TRY_LATER)

    @property
    def position(self) -> Cursor:
        """Up to where the client has been sent the log of its server."""
        return self._fanout.position(self.server_id) if self.is_live else self.cursor

    async def pause(self) -> None:
        """Send no events until :meth:`resume`; waits until the client has got what it missed before."""
        if self.catching_up is not None:
            await asyncio.wait([self.catching_up])
        self.cursor = self.position
        self._fanout.pause(self)

    def resume(self, lag: Lag | None = None) -> None:
        """Send what is missing of a channel, then what came meanwhile, behind the ack that is due now."""
        self.cursor = self.cursor._replace(lag=lag)
        self._catch_up(self)

    async def drain(self) -> None:
        """Wait until most of what was sent to the client has left."""
        await self.session.drain()

    def tell_position(self, *, is_due: bool) -> None:
        """Send the cursor alone if the client has not been told it, and time or many events have passed."""
        behind = self.position.seq - self.told if self.is_live else 0
        if behind > CURSOR_EVENTS or (behind and is_due):
            self.told += behind
            self._fanout.tell_position(self)

    def enter(self, channel_id: str) -> None:
        """Deliver the channel's events to this client from now on."""
        # The transport may have gone while the channel was looked up.
        if not self.is_over:
            self._fanout.enter(self, channel_id)

    def leave(self, channel_id: str) -> None:
        """Deliver the channel's events no longer, nor what is missing of it."""
        self._fanout.leave(self, channel_id)
        if self.cursor.lag is not None and self.cursor.lag.channel_id == channel_id:
            self.cursor = self.cursor._replace(lag=None)

    def is_in(self, channel_id: str) -> bool:
        """Tell whether the channel's events are delivered to this client."""
        return self.view.is_open(channel_id)

    def whisper(self, channel_id: str, event: str, payload: dict[str, Any]) -> None:
        """Send something ephemeral to the others in the channel."""
        self._fanout.whisper(channel_id, event, payload, self)
