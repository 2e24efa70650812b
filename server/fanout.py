"""Fan-out: one committed event to this node's connections, encoded once per dialect.

Rooms are dicts of connections. Publishing spawns no task and waits for nobody: each receiver gets the
same prebuilt packet appended to its queue, so that every connection sees acks, direct events and room
events in the order in which they were sent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Protocol

import orjson
from engineio.packet import MESSAGE
from engineio.packet import Packet as EnginePacket

from handlers import eliza
from rooms.publishing import Event
from rooms.rows import Attendance, Message


class Receiver(Protocol):
    """A connection as the fan-out sees it."""

    id: str
    namespace: str
    server_id: str
    speaks_eliza: bool
    channels: set[str]

    @property
    def principal_id(self) -> str:
        """Whose connection it is."""

    def send(self, packet: EnginePacket) -> None:
        """Queue a packet; return at once."""


Room = dict[Receiver, None]


def event_packet(namespace: str, event: str, *arguments: Any) -> EnginePacket:
    """Return a Socket.IO EVENT inside an Engine.IO MESSAGE (Socket.IO protocol v5, "Event")."""
    return _packet(namespace, orjson.dumps([event, *arguments]))


def _packet(namespace: str, arguments: bytes) -> EnginePacket:
    prefix = "2" if namespace == "/" else f"2{namespace},"
    return EnginePacket(MESSAGE, data=prefix + arguments.decode())


class Fanout:
    """Who is in which channel on this node, and how committed events reach them."""

    def __init__(self) -> None:
        self._rooms: dict[str, Room] = {}
        self._connections: dict[tuple[str, str], Room] = defaultdict(dict)  # by server and principal

    def add(self, receiver: Receiver) -> None:
        """Know the connection from now on."""
        self._connections[receiver.server_id, receiver.principal_id][receiver] = None

    def remove(self, receiver: Receiver) -> None:
        """Forget the connection; costs what its own rooms cost."""
        for channel_id in list(receiver.channels):
            self.leave(receiver, channel_id)
        key = (receiver.server_id, receiver.principal_id)
        self._connections[key].pop(receiver, None)
        if not self._connections[key]:
            del self._connections[key]

    def enter(self, receiver: Receiver, channel_id: str) -> None:
        """Deliver the channel's events to the connection."""
        self._rooms.setdefault(channel_id, {})[receiver] = None
        receiver.channels.add(channel_id)

    def leave(self, receiver: Receiver, channel_id: str) -> None:
        """Deliver the channel's events to the connection no longer."""
        receiver.channels.discard(channel_id)
        room = self._rooms.get(channel_id, {})
        room.pop(receiver, None)
        if not room:
            self._rooms.pop(channel_id, None)

    def publish(self, events: Sequence[Event]) -> None:
        """Deliver committed events, in order."""
        for event in events:
            if event.kind == "participant_joined":
                self._admit(event)
            if room := self._rooms.get(event.channel_id):
                _deliver(event, room)
            if event.kind == "participant_left":
                self._expel(event)

    def whisper(self, channel_id: str, name: str, payload: dict[str, Any], sender: Receiver) -> None:
        """Send something ephemeral to the native connections in the channel, except the sender."""
        packet: EnginePacket | None = None
        for receiver in self._rooms.get(channel_id, ()):
            if receiver is not sender and not receiver.speaks_eliza:
                packet = packet or event_packet(receiver.namespace, name, payload)
                receiver.send(packet)

    def _admit(self, event: Event) -> None:
        for receiver in self._affected(event):
            self.enter(receiver, event.channel_id)

    def _expel(self, event: Event) -> None:
        for receiver in self._affected(event):
            self.leave(receiver, event.channel_id)

    def _affected(self, event: Event) -> list[Receiver]:
        """Return the connections of the participant that the event is about."""
        who = event.subject.entity_id if isinstance(event.subject, Attendance) else ""
        return list(self._connections.get((event.server_id, who), ()))


def _deliver(event: Event, room: Room) -> None:
    """Encode the event at most once per dialect and queue it for each receiver."""
    native: EnginePacket | None = None
    foreign: EnginePacket | None = None
    message = event.subject if isinstance(event.subject, Message) else None
    for receiver in room:
        if not receiver.speaks_eliza:
            native = native or _packet(
                receiver.namespace, b'["%b",%b]' % (event.kind.encode(), event.encoded)
            )
            receiver.send(native)
        elif message is not None:
            if event.origin and event.origin.connection_id == receiver.id:
                receiver.send(_broadcast(event, message, event.origin.client_message_id))
            else:
                foreign = foreign or _broadcast(event, message)
                receiver.send(foreign)


def _broadcast(event: Event, message: Message, client_message_id: str | None = None) -> EnginePacket:
    payload = eliza.broadcast(event, message, client_message_id)
    return event_packet("/", "messageBroadcast", payload)
