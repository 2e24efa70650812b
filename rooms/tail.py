"""What this node has delivered of each log: how far, and the newest entries themselves.

Whoever has caught up with a log follows it from here without asking the database. All logs share one
bound in bytes: what goes first is what was published first, wherever that was.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from rooms.publishing import Event
from rooms.rows import Entry

# What these events say of messages, or of their channel, holds for the entries before them, too.
REWRITING = frozenset(
    {"message_updated", "message_deleted", "approval", "channel_cleared", "channel_deleted"}
)

MAX_BYTES = 8 * 1024 * 1024
ENTRY_COST = 300  # bytes that an entry takes besides its payload


class Position(NamedTuple):
    """How far a log has been delivered on this node."""

    epoch: int
    seq: int


class Tail:
    """The newest entries of every log that this node delivers."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._positions: dict[str, Position] = {}
        self._entries: dict[str, deque[Entry]] = {}
        self._order: deque[str] = deque()  # of the servers that the entries belong to
        self._room = max_bytes

    def settle(self, server_id: str, epoch: int, seq: int) -> Position:
        """Return how far the server's log has been delivered: to ``seq``, if this node has not begun yet."""
        return self._positions.setdefault(server_id, Position(epoch, seq))

    def knows(self, server_id: str) -> bool:
        """Tell whether the server is settled."""
        return server_id in self._positions

    def position(self, server_id: str) -> Position:
        """Return how far the log of a server that is settled has been delivered."""
        return self._positions[server_id]

    def renew(self, server_id: str, epoch: int) -> None:
        """Go on in another epoch of the server's log."""
        known = self._positions.get(server_id)
        if known is not None and known.epoch != epoch:
            self._positions[server_id] = Position(epoch, known.seq)
            self._drop_entries(server_id)

    def extend(self, events: Sequence[Event]) -> list[Event]:
        """Take what is about to be delivered; return what has not been delivered before."""
        fresh = [event for event in events if self._advance(event)]
        self._make_room()
        return fresh

    def _advance(self, event: Event) -> bool:
        seq = self.settle(event.server_id, event.epoch, event.seq - 1).seq
        if event.seq <= seq:
            return False
        self.renew(event.server_id, event.epoch)
        self._positions[event.server_id] = Position(event.epoch, event.seq)
        if event.kind in REWRITING:
            self._drop_entries(event.server_id)
        entry = Entry(event.seq, event.channel_id, event.kind, event.encoded)
        self._entries.setdefault(event.server_id, deque()).append(entry)
        self._order.append(event.server_id)
        self._room -= _cost(entry)
        return True

    def _drop_entries(self, server_id: str) -> None:
        for entry in self._entries.pop(server_id, ()):
            self._room += _cost(entry)
        self._order = deque(other for other in self._order if other != server_id)

    def _make_room(self) -> None:
        while self._room < 0:
            server_id = self._order.popleft()
            entries = self._entries[server_id]
            self._room += _cost(entries.popleft())
            if not entries:
                del self._entries[server_id]

    def read(self, server_id: str, after: int, limit: int, room: int) -> list[Entry] | None:
        """Return the entries after a seq, the first ones; None if they reach back too far.

        They are ``limit`` at most, and end once their payloads have more than ``room`` bytes.
        """
        missing = self._positions[server_id].seq - after
        if missing <= 0:
            return []
        entries = self._entries.get(server_id, ())
        if missing > len(entries):
            return None
        begin = len(entries) - missing
        found = []
        for entry in itertools.islice(entries, begin, begin + limit):
            found.append(entry)
            room -= len(entry.payload)
            if room < 0:
                break
        return found


def _cost(entry: Entry) -> int:
    return ENTRY_COST + len(entry.payload)
