"""How the domain announces what happened, without knowing who listens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Origin:
    """The connection that a message came from, and the id that its client knows the message by."""

    connection_id: str
    client_message_id: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """One committed entry of a server's log.

    ``payload`` is what native clients get and ``encoded`` the same as JSON. ``subject`` is the stored
    object behind it where another dialect needs more than the payload, and ``mentioned`` are the ids of
    those who are to be told, wherever they are connected, that it mentions them. These and ``origin``
    live only as long as the live delivery.
    """

    server_id: str
    epoch: int
    seq: int
    channel_id: str
    kind: str
    payload: dict[str, Any]
    encoded: bytes
    message_id: str | None = None
    subject: object = None
    origin: Origin | None = None
    mentioned: Sequence[str] = ()


class Publisher(Protocol):
    """Where committed events go."""

    def publish(self, events: Sequence[Event]) -> None:
        """Deliver the events, in order; return at once and never raise for a bad receiver."""


class InTurn:
    """Several publishers, each of which gets the events after those before it."""

    def __init__(self, *publishers: Publisher) -> None:
        self._publishers = publishers

    def publish(self, events: Sequence[Event]) -> None:
        """Hand the events to one after the other."""
        for publisher in self._publishers:
            publisher.publish(events)
