"""Fan-out: one committed event to this node's connections, encoded once per dialect.

Rooms are dicts of connections. Publishing spawns no task and waits for nobody: each receiver gets the
same prebuilt packet appended to its queue, so that every connection sees acks, direct events and room
events in the order in which they were sent.
"""

from __future__ import annotations

import itertools
import logging
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, Protocol

from rooms.cursors import Cursor, CursorSigner
from rooms.publishing import Event
from rooms.rows import Attendance
from rooms.runs import State
from rooms.streams import Streams
from rooms.tail import Tail
from rooms.views import View
from server import dialects, packets
from server.frames import Outgoing
from server.relay import Reader, Relay


class Receiver(Reader, Protocol):
    """A connection as the fan-out sees it, or somebody who reads the log by itself.

    One that ``is_live`` is in rooms; one that catches up has a view that is kept up to date. In the
    namespace ``FOLLOWERS`` they are not sent the events, but told from which seq on there is something
    to read.
    """

    id: str
    server_id: str
    hears_whispers: bool
    view: View
    moves: int
    is_live: bool

    @property
    def principal_id(self) -> str:
        """Whose connection it is."""


Room = dict[Receiver, None]

FOLLOWERS = ""  # no client's namespace
MENTION_LENGTH = 200  # of its message's text

_log = logging.getLogger("parley.fanout")


class Fanout:
    """Who is in which channel on this node, and how committed events reach them."""

    def __init__(self, cursors: CursorSigner, tail: Tail, streams: Streams) -> None:
        self._cursors = cursors
        self._tail = tail
        self._rooms: dict[str, Room] = {}
        self._shown_all: dict[str, Room] = {}  # by server
        self._connections: dict[tuple[str, str], Room] = defaultdict(dict)  # by server and principal
        self.relay = Relay(streams, self._room_of)

    def position(self, server_id: str) -> Cursor:
        """Return up to where the server's log has been delivered on this node."""
        return Cursor(server_id, *self._tail.position(server_id))

    def tell_position(self, receiver: Receiver) -> None:
        """Send the connection the cursor of the present alone."""
        text = self._cursors.write(self.position(receiver.server_id))
        receiver.send(packets.event(receiver.namespace, "cursor", text))

    def add(self, receiver: Receiver) -> None:
        """Know the connection from now on."""
        self._connections[receiver.server_id, receiver.principal_id][receiver] = None

    def remove(self, receiver: Receiver) -> None:
        """Forget the connection; costs what its own rooms cost."""
        self.pause(receiver)
        self.relay.forget(receiver)
        key = (receiver.server_id, receiver.principal_id)
        self._connections[key].pop(receiver, None)
        if not self._connections[key]:
            del self._connections[key]

    def is_present(self, server_id: str, principal_id: str) -> bool:
        """Tell whether the principal is connected to this node, or reads the server's log from it."""
        return (server_id, principal_id) in self._connections

    def find_present(self, principal_ids: Collection[str]) -> set[str]:
        """Return which of the principals are connected to this node, or read a log from it."""
        return {principal_id for _, principal_id in self._connections if principal_id in principal_ids}

    def go_live(self, receiver: Receiver) -> None:
        """Deliver to the connection what its view shows from the next event on."""
        next_seq = self._tail.position(receiver.server_id).seq + 1
        receiver.view.forget_before(next_seq)
        receiver.is_live = True
        if receiver.view.shows_all:
            self._shown_all.setdefault(receiver.server_id, {})[receiver] = None
        for channel_id in receiver.view.shown_at(next_seq):
            self._occupy(receiver, channel_id)

    def pause(self, receiver: Receiver) -> None:
        """Deliver nothing to the connection until it goes live again."""
        receiver.is_live = False
        for channel_id in receiver.view.known_channels:
            if receiver in self._room_of(channel_id):
                self.relay.pause(receiver, channel_id)
            _vacate(self._rooms, receiver, channel_id)
        _vacate(self._shown_all, receiver, receiver.server_id)

    def enter(self, receiver: Receiver, channel_id: str) -> None:
        """Show the channel's events to the connection, from the next one on."""
        self._open(receiver, channel_id, self._tail.position(receiver.server_id).seq + 1)

    def leave(self, receiver: Receiver, channel_id: str) -> None:
        """Show the channel's events to the connection no longer."""
        receiver.view.part(channel_id)
        self._vacate_for_good(receiver, channel_id)

    def _open(self, receiver: Receiver, channel_id: str, first: int) -> None:
        receiver.view.open(channel_id, first)
        if receiver.is_live and receiver.view.is_open(channel_id):
            self._occupy(receiver, channel_id)

    def _room_of(self, channel_id: str) -> Room:
        return self._rooms.get(channel_id, {})

    def _occupy(self, receiver: Receiver, channel_id: str) -> None:
        room = self._rooms.setdefault(channel_id, {})
        if receiver not in room:
            room[receiver] = None
            self.relay.enter(receiver, channel_id)

    def _vacate_for_good(self, receiver: Receiver, channel_id: str) -> None:
        _vacate(self._rooms, receiver, channel_id)
        self.relay.leave(receiver, channel_id)

    def publish(self, events: Sequence[Event]) -> None:
        """Deliver committed events, in order; neighbours of one channel leave as one."""
        self._let_agents_in(events)
        for (channel_id, _), group in itertools.groupby(self._tail.extend(events), _place):
            together = list(group)
            first = together[0]
            if first.kind == "participant_joined":
                self._admit(first)
            if room := self._rooms.get(channel_id):
                self._deliver(together, room)
            if room := self._shown_all.get(first.server_id):
                self._deliver(together, room)
            if first.kind in ("participant_left", "channel_deleted"):
                self._expel(first)
            for event in together:
                if event.mentioned:
                    self._tell_mentioned(event)

    def whisper(
        self, channel_id: str, name: str, payload: dict[str, Any], sender: Receiver | None = None
    ) -> None:
        """Send something ephemeral to the connections in the channel that know it, except the sender."""
        encoded: dict[str, Outgoing] = {}
        for receiver in self._rooms.get(channel_id, ()):
            if receiver is sender or not receiver.hears_whispers:
                continue
            outgoing = encoded.get(receiver.namespace)
            if outgoing is None:
                outgoing = encoded[receiver.namespace] = dialects.whisper(receiver.namespace, name, payload)
            # A dialect may have no words for it.
            if outgoing.packets:
                receiver.send(outgoing)

    def _let_agents_in(self, events: Sequence[Event]) -> None:
        """Let agents hear what addresses them, whichever of their channels they entered when they came."""
        for event in events:
            if event.kind != "run" or event.payload["run"]["state"] != State.QUEUED:
                continue
            for receiver in self._connections.get((event.server_id, event.payload["run"]["agent_id"]), ()):
                view = receiver.view
                is_asked = receiver.namespace != FOLLOWERS and not receiver.speaks_eliza
                if is_asked and event.channel_id not in view.parted and not view.is_open(event.channel_id):
                    # The message was recorded before its run.
                    first = next(told.seq for told in events if told.channel_id == event.channel_id)
                    self._open(receiver, event.channel_id, first)

    def _tell_mentioned(self, event: Event) -> None:
        """Tell those whom a message mentions, on each native connection, whatever channels it is in."""
        # The same commit may have changed what the message says, or deleted it.
        still = {entry.get("id") for entry in event.payload.get("mentions", ())}
        for principal_id in still.intersection(event.mentioned):
            told = _mention(event)
            for receiver in self._connections.get((event.server_id, principal_id), ()):
                if receiver.hears_whispers and not receiver.speaks_eliza:
                    receiver.send(packets.event(receiver.namespace, "mention", told))

    def _admit(self, event: Event) -> None:
        for receiver in self._affected(event):
            receiver.moves += 1
            self._open(receiver, event.channel_id, event.seq)

    def _expel(self, event: Event) -> None:
        for receiver in self._affected(event):
            receiver.moves += 1
            receiver.view.close(event.channel_id, event.seq + 1)
            self._vacate_for_good(receiver, event.channel_id)
            if receiver.is_live:
                receiver.view.drop(event.channel_id)

    def _affected(self, event: Event) -> list[Receiver]:
        """Return the connections of the participant that the event is about, or of everybody.

        Whoever arrives just now may have found a channel that is deleted, whether it is shown or not.
        """
        if event.kind == "channel_deleted":
            return [
                receiver
                for (server_id, _), receivers in self._connections.items()
                if server_id == event.server_id
                for receiver in receivers
            ]
        who = event.subject.entity_id if isinstance(event.subject, Attendance) else ""
        return list(self._connections.get((event.server_id, who), ()))

    def _deliver(self, events: Sequence[Event], room: Room) -> None:
        try:
            self._send(events, room)
        except Exception:  # noqa: BLE001 - what cannot be told in one room keeps no other from its events
            _log.exception("%d events of a channel could not be delivered", len(events))

    def _send(self, events: Sequence[Event], room: Room) -> None:
        """Encode the events at most once per namespace, and so per dialect, and queue them for everybody."""
        encoded: dict[str, Outgoing] = {}
        senders = {event.origin.connection_id for event in events if event.origin}
        cursors = [
            self._cursors.write_position(event.server_id, event.epoch, event.seq).encode() for event in events
        ]
        for receiver in room:
            if receiver.speaks_eliza and receiver.id in senders:
                receiver.send(_in_elizas_words(events, cursors, receiver.id))
                continue
            outgoing = encoded.get(receiver.namespace)
            if outgoing is None:
                outgoing = encoded[receiver.namespace] = _encode(events, cursors, receiver)
            # A dialect may have no words for what happened.
            if outgoing.packets:
                receiver.send(outgoing)


def _place(event: Event) -> tuple[str, int]:
    """Tell which events may leave together: those that move nobody, in one channel."""
    moves = event.kind in ("participant_joined", "participant_left", "channel_deleted")
    return event.channel_id, event.seq if moves else 0


def _mention(event: Event) -> dict[str, Any]:
    message = event.payload
    return {
        "channel_id": event.channel_id,
        "server_id": event.server_id,
        "message_id": message["id"],
        "seq": event.seq,
        "author_id": message["author_id"],
        "text": message["text"][:MENTION_LENGTH],
    }


def _vacate(rooms: dict[str, Room], receiver: Receiver, key: str) -> None:
    room = rooms.get(key, {})
    room.pop(receiver, None)
    if not room:
        rooms.pop(key, None)


def _encode(events: Sequence[Event], cursors: Sequence[bytes], receiver: Receiver) -> Outgoing:
    if receiver.namespace == FOLLOWERS:
        return Outgoing(b"%d" % events[0].seq)
    write = _in_elizas_words if receiver.speaks_eliza else _native
    return write(events, cursors, receiver.namespace)


def _native(events: Sequence[Event], cursors: Sequence[bytes], namespace: str) -> Outgoing:
    return Outgoing(
        *(
            dialects.native(namespace, event.kind, event.encoded, cursor)
            for event, cursor in zip(events, cursors, strict=True)
        )
    )


def _in_elizas_words(events: Sequence[Event], cursors: Sequence[bytes], receiver_id: str) -> Outgoing:
    """Return the events in elizaOS's form; a message's sender learns by which id its client knows it."""
    found = []
    for event, cursor in zip(events, cursors, strict=True):
        origin = event.origin
        client_id = origin.client_message_id if origin and origin.connection_id == receiver_id else None
        packet = dialects.in_elizas_words(event.kind, event.payload, cursor, client_id)
        if packet is not None:
            found.append(packet)
    return Outgoing(*found)
