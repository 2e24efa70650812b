"""What a door knows of a Socket.IO connection, without knowing how it is carried."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

from rooms.cursors import Cursor, Lag
from rooms.principals import Principal
from rooms.views import View


@dataclass(frozen=True, slots=True)
class Begun:
    """An ack to come: what was begun, and how its outcome is answered.

    Meanwhile the client's next event may be handled, as long as that cannot overtake this one.
    """

    outcome: asyncio.Future[Any]
    answer: Callable[[Any], dict[str, Any]]


class Connection(Protocol):
    """One client in one namespace."""

    @property
    def id(self) -> str:
        """The Socket.IO session id."""

    @property
    def server_id(self) -> str:
        """The message server that the client talks to."""

    @property
    def moves(self) -> int:
        """How often the client's participations have let it into channels, or out."""

    @property
    def pid_id(self) -> str:
        """The id by which the client finds its connection again."""

    @property
    def position(self) -> Cursor:
        """Up to where the client has been sent the log of its server."""

    @property
    def view(self) -> View:
        """Which events of the log the client is shown."""

    @property
    def principal(self) -> Principal:
        """Who the client is."""

    @property
    def is_over(self) -> bool:
        """Tell whether nothing can be sent to the client any more."""

    @property
    def is_full(self) -> bool:
        """Tell whether the client takes less than it is sent."""

    def emit(self, event: str, *arguments: Any) -> None:
        """Send an event to this client alone, after everything that was sent before."""

    @property
    def is_settled(self) -> bool:
        """Tell whether everything that was begun for this client has been acknowledged."""

    async def settled(self) -> None:
        """Wait until everything that was begun for this client has its outcome."""

    def enter(self, channel_id: str) -> None:
        """Deliver the channel's events to this client from now on."""

    def leave(self, channel_id: str) -> None:
        """Deliver the channel's events no longer."""

    def is_in(self, channel_id: str) -> bool:
        """Tell whether the channel's events are delivered to this client."""

    async def pause(self) -> None:
        """Send no events until :meth:`resume`; waits until the client has got what it missed before."""

    def resume(self, lag: Lag | None = None) -> None:
        """Send what is missing of a channel, then what came meanwhile, behind the ack that is due now."""

    def whisper(self, channel_id: str, event: str, payload: dict[str, Any]) -> None:
        """Send something ephemeral to the others in the channel."""


class Audience(Protocol):
    """Who is connected to this node."""

    def whisper(self, channel_id: str, name: str, payload: dict[str, Any]) -> None:
        """Send something ephemeral to the connections in the channel that know it."""

    def find_present(self, principal_ids: Collection[str]) -> set[str]:
        """Return which of the principals are connected, or read a log."""
