"""What the Socket.IO server keeps for an Engine.IO session."""

from __future__ import annotations

import asyncio

from server import packets
from server.packets import BadPacket, Packet
from server.session import Session
from server.socket_connection import SocketConnection
from server.websocket import MAX_MESSAGE

MAX_NAMESPACES = 20
# More CONNECTs than these are refused to nobody within so long: it is closed instead.
MAX_REFUSALS, REFUSAL_SECONDS = 200, 10.0


class Client:
    """A session's namespaces, and a packet that is not whole."""

    __slots__ = (
        "_attachments",
        "_forgiven_at",
        "_refusals",
        "_room",
        "connections",
        "incomplete",
        "is_awaited",
        "is_spared",
        "left",
    )

    def __init__(self) -> None:
        self.connections: dict[str, SocketConnection] = {}
        self.left: tuple[str, ...] = ()  # the namespaces that were left last: events may be under way there
        self._refusals = 0
        self._forgiven_at = 0.0  # when the refusals are forgotten, by the loop's clock
        self.incomplete: Packet | None = None
        self._attachments: list[bytes] = []
        self._room = 0  # bytes that the incomplete packet may still get
        self.is_awaited = False  # a deadline has begun
        self.is_spared = False  # that deadline: what the client owes, it owes since a later moment

    @property
    def owes(self) -> bool:
        """Tell whether the client has to connect to a namespace, or to complete a packet."""
        return not self.connections or self.incomplete is not None

    def leave(self, namespace: str) -> None:
        """Forget the connection to a namespace."""
        if self.connections.pop(namespace, None) is not None and namespace not in self.left:
            self.left = (namespace, *self.left)[:MAX_NAMESPACES]

    def count_refusal(self) -> None:
        """Count a CONNECT that is refused; raise BadPacket if they come too fast."""
        now = asyncio.get_running_loop().time()
        if now >= self._forgiven_at:
            self._refusals, self._forgiven_at = 0, now + REFUSAL_SECONDS
        self._refusals += 1
        if self._refusals > MAX_REFUSALS:
            raise BadPacket("too many CONNECTs that are refused")

    def assemble(self, message: str | bytes) -> Packet | None:
        """Return the packet that the message completes, or None while attachments are due.

        Raises BadPacket for a message that is not due, or makes its packet too long.
        """
        if isinstance(message, bytes):
            return self._attach(message)
        if self.incomplete is not None:
            raise BadPacket("a text while attachments are due")
        packet = packets.read(message)
        if not packet.missing:
            return packet
        if packet.namespace not in self.connections and packet.namespace not in self.left:
            raise BadPacket("attachments for a namespace that was never connected")
        self.incomplete, self._room = packet, MAX_MESSAGE - len(message)
        return None

    def _attach(self, attachment: bytes) -> Packet | None:
        packet = self.incomplete
        if packet is None:
            raise BadPacket("an attachment of nothing")
        self._room -= len(attachment)
        if self._room < 0:
            raise BadPacket("too long with its attachments")
        self._attachments.append(attachment)
        if len(self._attachments) < packet.missing:
            return None
        packets.attach(packet, self._attachments)
        self.incomplete, self._attachments = None, []
        return packet


def client_of(session: Session) -> Client:
    """Return what is kept for the session."""
    assert isinstance(session.client, Client)  # noqa: S101 - set when the session opens
    return session.client
