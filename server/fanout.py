"""Fan-out: one committed event to this node's connections, encoded once per dialect.

Rooms are dicts of connections. Publishing spawns no task and waits for nobody: each receiver gets the
same prebuilt packet appended to its queue, so that every connection sees acks, direct events and room
events in the order in which they were sent.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Protocol

import orjson

from handlers import eliza
from rooms.publishing import Event
from rooms.rows import Attendance, Message
from server import packets
from server.frames import Outgoing


class Receiver(Protocol):
    """A connection as the fan-out sees it."""

    id: str
    namespace: str
    server_id: str
    speaks_eliza: bool
    channels: set[str]
    moves: int
    is_admitted: bool

    @property
    def principal_id(self) -> str:
        """Whose connection it is."""

    def send(self, outgoing: Outgoing) -> None:
        """Queue packets; return at once."""


Room = dict[Receiver, None]


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
        """Deliver committed events, in order; neighbours of one channel leave as one."""
        for channel_id, group in itertools.groupby(events, _place):
            run = list(group)
            if run[0].kind == "participant_joined":
                self._admit(run[0])
            if room := self._rooms.get(channel_id[0]):
                _deliver(run, room)
            if run[0].kind == "participant_left":
                self._expel(run[0])

    def whisper(self, channel_id: str, name: str, payload: dict[str, Any], sender: Receiver) -> None:
        """Send something ephemeral to the native connections in the channel, except the sender."""
        encoded: dict[str, Outgoing] = {}
        for receiver in self._rooms.get(channel_id, ()):
            if receiver is sender or receiver.speaks_eliza:
                continue
            outgoing = encoded.get(receiver.namespace)
            if outgoing is None:
                outgoing = encoded[receiver.namespace] = packets.event(receiver.namespace, name, payload)
            receiver.send(outgoing)

    def _admit(self, event: Event) -> None:
        for receiver in self._affected(event):
            receiver.moves += 1
            if receiver.is_admitted:
                self.enter(receiver, event.channel_id)

    def _expel(self, event: Event) -> None:
        for receiver in self._affected(event):
            receiver.moves += 1
            self.leave(receiver, event.channel_id)

    def _affected(self, event: Event) -> list[Receiver]:
        """Return the connections of the participant that the event is about."""
        who = event.subject.entity_id if isinstance(event.subject, Attendance) else ""
        return list(self._connections.get((event.server_id, who), ()))


def _place(event: Event) -> tuple[str, int]:
    """Tell which events may leave together: those that move nobody, in one channel."""
    moves = event.kind in ("participant_joined", "participant_left")
    return event.channel_id, event.seq if moves else 0


def _deliver(run: Sequence[Event], room: Room) -> None:
    """Encode the events at most once per namespace, and so per dialect, and queue them for everybody."""
    encoded: dict[str, Outgoing] = {}
    senders = {event.origin.connection_id for event in run if event.origin}
    for receiver in room:
        if receiver.speaks_eliza and receiver.id in senders:
            receiver.send(_broadcasts(run, receiver.id))
            continue
        outgoing = encoded.get(receiver.namespace)
        if outgoing is None:
            outgoing = _broadcasts(run) if receiver.speaks_eliza else _native(run, receiver.namespace)
            encoded[receiver.namespace] = outgoing
        # A dialect may have no words for what happened.
        if outgoing.packets:
            receiver.send(outgoing)


def _native(run: Sequence[Event], namespace: str) -> Outgoing:
    return Outgoing(
        *(
            packets.raw_event_packet(namespace, b'["%b",%b]' % (event.kind.encode(), event.encoded))
            for event in run
        )
    )


def _broadcasts(run: Sequence[Event], receiver_id: str | None = None) -> Outgoing:
    """Return the messages in elizaOS's form; their sender learns by which id its client knows them."""
    found = []
    for event in run:
        if isinstance(event.subject, Message):
            own = event.origin is not None and event.origin.connection_id == receiver_id
            client_id = event.origin.client_message_id if own and event.origin else None
            payload = eliza.broadcast(event, event.subject, client_id)
            found.append(packets.raw_event_packet("/", orjson.dumps(["messageBroadcast", payload])))
    return Outgoing(*found)
