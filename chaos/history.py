"""What clients saw and did, and what the log holds: all that a verdict needs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Place(NamedTuple):
    """A position in a log."""

    epoch: int
    seq: int


class Sight(NamedTuple):
    """One event as a client saw it; ``at`` is in seconds of the monotonic clock."""

    seq: int
    kind: str
    channel_id: str
    text: str | None
    at: float


class Resync(NamedTuple):
    """A client was told to begin anew: why, and the position that it had come with."""

    reason: str
    stated: Place | None


@dataclass(slots=True)
class Visit:
    """One connection of a client, or one request; ``resync`` is set if it had to begin anew there."""

    door: str
    began_at: float = field(default_factory=time.monotonic)
    resync: Resync | None = None
    start: Place | None = None  # where the log stood for it, if it began there
    seen: list[Sight] = field(default_factory=list)

    def see(self, kind: str, payload: Mapping[str, object]) -> None:
        """Keep an event."""
        seq, channel_id, text = payload["seq"], payload["channel_id"], payload.get("text")
        assert isinstance(seq, int)  # noqa: S101 - the types of the API
        assert isinstance(channel_id, str)  # noqa: S101
        told = text if isinstance(text, str) else None
        self.seen.append(Sight(seq, kind, channel_id, told, time.monotonic()))


@dataclass(slots=True)
class History:
    """Everything that one client saw, on all its visits.

    ``principal_id`` is None for a service, which needs no membership; ``only`` is the channel that it
    follows, if that is one alone.
    """

    name: str
    principal_id: str | None = None
    only: str | None = None
    visits: list[Visit] = field(default_factory=list)


@dataclass(slots=True)
class Submission:
    """One message that a client wants stored, and what it was answered; ``text`` changes with edits.

    ``deleted_at`` is when a deletion was acknowledged, in seconds of the monotonic clock. While an edit or
    a deletion has no answer, what is stored ``is_open``.
    """

    author_id: str
    channel_id: str
    key: str
    text: str
    message_id: str | None = None
    seq: int | None = None
    is_open: bool = False
    deleted_at: float | None = None


class Entry(NamedTuple):
    """One event of the log."""

    seq: int
    kind: str
    channel_id: str
    message_id: str | None


class Stay(NamedTuple):
    """A principal's participation in a channel: it may see what is from ``first`` on, before ``end``."""

    principal_id: str
    channel_id: str
    first: int
    end: int | None


class Stored(NamedTuple):
    """A message as it is now."""

    message_id: str
    author_id: str
    text: str
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class Log:
    """What is durable: a server's log, its participations, and its messages."""

    epoch: int
    floor: int
    top: int
    entries: Sequence[Entry]
    stays: Sequence[Stay]
    messages: Sequence[Stored]
