"""What a door knows of a Socket.IO connection, without knowing how it is carried."""

from __future__ import annotations

from typing import Any, Protocol

from rooms.principals import Principal


class Connection(Protocol):
    """One client in one namespace."""

    @property
    def id(self) -> str:
        """The Socket.IO session id."""

    @property
    def server_id(self) -> str:
        """The message server that the client talks to."""

    @property
    def channels(self) -> set[str]:
        """The channels whose events are delivered to this client."""

    @property
    def moves(self) -> int:
        """How often the client's participations have let it into channels, or out."""

    @property
    def principal(self) -> Principal:
        """Who the client is."""

    def emit(self, event: str, *arguments: Any) -> None:
        """Send an event to this client alone, after everything that was sent before."""

    def enter(self, channel_id: str) -> None:
        """Deliver the channel's events to this client from now on."""

    def leave(self, channel_id: str) -> None:
        """Deliver the channel's events no longer."""

    def is_in(self, channel_id: str) -> bool:
        """Tell whether the channel's events are delivered to this client."""

    def whisper(self, channel_id: str, event: str, payload: dict[str, Any]) -> None:
        """Send something ephemeral to the others in the channel."""
