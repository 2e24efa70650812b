"""What the Socket.IO server keeps for an Engine.IO session."""

from __future__ import annotations

from server.packets import Packet
from server.session import Session
from server.socket_connection import SocketConnection


class Client:
    """A session's namespaces, and a packet that is not whole."""

    __slots__ = ("attachments", "connections", "incomplete", "refused")

    def __init__(self) -> None:
        self.connections: dict[str, SocketConnection] = {}
        self.incomplete: Packet | None = None
        self.attachments: list[bytes] = []
        self.refused = 0


def client_of(session: Session) -> Client:
    """Return what is kept for the session."""
    assert isinstance(session.client, Client)  # noqa: S101 - set when the session opens
    return session.client
