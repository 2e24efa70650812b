"""One client in one namespace: what it is sent, and what was begun for it."""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import Any

from handlers.connection import Begun
from rooms.principals import Principal
from server import packets
from server.fanout import Fanout
from server.session import Session

ELIZA_NAMESPACE = "/"
MAX_BEGUN = 16  # writes of one connection that wait for the same commits

_log = logging.getLogger("parley.sockets")


class SocketConnection:
    """One client in one namespace."""

    __slots__ = (
        "_begun",
        "_fanout",
        "_newest",
        "_session",
        "channels",
        "id",
        "is_admitted",
        "moves",
        "namespace",
        "principal",
        "send",
        "server_id",
        "speaks_eliza",
    )

    def __init__(
        self, sid: str, namespace: str, server_id: str, principal: Principal, fanout: Fanout, session: Session
    ) -> None:
        self.id = sid
        self.namespace = namespace
        self.server_id = server_id
        self.principal = principal
        self.speaks_eliza = namespace == ELIZA_NAMESPACE
        self.channels: set[str] = set()
        self.moves = 0
        self.is_admitted = False
        self._begun = 0
        self._newest: asyncio.Future[Any] | None = None
        self._fanout = fanout
        self._session = session
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
            self._session.violate()

    async def settled(self) -> None:
        """Wait until everything that was begun for this client has its outcome."""
        if self._newest is not None:
            await asyncio.wait([self._newest])  # outcomes come in the order in which they were begun

    def emit(self, event: str, *arguments: Any) -> None:
        """Send an event to this client alone."""
        self.send(packets.event(self.namespace, event, *arguments))

    def enter(self, channel_id: str) -> None:
        """Deliver the channel's events to this client from now on."""
        # The transport may have gone while the channel was looked up.
        if not self._session.closed:
            self._fanout.enter(self, channel_id)

    def leave(self, channel_id: str) -> None:
        """Deliver the channel's events no longer."""
        self._fanout.leave(self, channel_id)

    def is_in(self, channel_id: str) -> bool:
        """Tell whether the channel's events are delivered to this client."""
        return channel_id in self.channels

    def whisper(self, channel_id: str, event: str, payload: dict[str, Any]) -> None:
        """Send something ephemeral to the others in the channel."""
        self._fanout.whisper(channel_id, event, payload, self)
