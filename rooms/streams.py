"""Streams: replies that agents are giving, chunk by chunk, kept in memory until they are stored.

A stream begins with the event that says so, and is over with the end of its run, whoever ends it. What
was said of it is written down now and then; see :mod:`rooms.checkpoints`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol

from rooms import access
from rooms.principals import Principal
from rooms.publishing import Event
from rooms.rows import Run
from rooms.rules import MAX_AGENT_CONTENT

# So many calls for one stream take from no bucket: as many chunks as a reply can have, each of them twice.
FREE_CALLS = 2 * MAX_AGENT_CONTENT


class Checkpoint(NamedTuple):
    """What is to be written of a stream: the text of its first chunks, and when the last one came."""

    run_id: str
    text: str
    chunks: int
    heard_at: int


class Stream:
    """What was said of the reply of one run; chunks are counted from 0.

    Whoever ends the run holds the ``lock``, so that nothing is added that the stored reply would lack.
    """

    __slots__ = ("_calls", "_known", "_parts", "heard_at", "is_over", "length", "lock", "run", "saved")

    def __init__(self, run: Run) -> None:
        self.run = run
        self.lock = asyncio.Lock()
        self.is_over = False
        self.heard_at = run.updated_at
        self.saved = run.chunks  # how many chunks are written down
        self.length = len(run.partial)
        self._known = run.chunks  # of which nobody knows any more where one ends and the next begins
        self._parts = [run.partial]
        self._calls = 0

    @property
    def next_index(self) -> int:
        """The index of the chunk that is to come."""
        return self._known + len(self._parts) - 1

    @property
    def is_unsaved(self) -> bool:
        """Tell whether more was said than is written down."""
        return self.saved < self.next_index

    def since(self, index: int) -> tuple[int, str]:
        """Return what was said from a chunk on, with the index of its first chunk.

        It is everything if nobody knows where that chunk begins.
        """
        if index < self._known:
            return 0, "".join(self._parts)
        return index, "".join(self._parts[index - self._known + 1 :])

    def tail(self, length: int) -> str:
        """Return the end of what was said, of this length at least if there is so much."""
        parts: list[str] = []
        for part in reversed(self._parts):
            if length <= 0:
                break
            parts.append(part)
            length -= len(part)
        return "".join(reversed(parts))

    def checkpoint(self) -> Checkpoint:
        """Return what is to be written of it now."""
        return Checkpoint(self.run.id, self.since(0)[1], self.next_index, self.heard_at)

    def add(self, text: str, now: int) -> None:
        """Take the next chunk."""
        self._parts.append(text)
        self.length += len(text)
        self.heard_at = now

    def is_open_to(self, principal: Principal) -> bool:
        """Tell whether the principal may add to it."""
        return access.may_speak_as(principal, self.run.agent_id)

    def take_call(self) -> bool:
        """Count a call, and tell whether it is free."""
        self._calls += 1
        return self._calls <= FREE_CALLS


class Listener(Protocol):
    """Whoever passes on what is said."""

    def added(self, stream: Stream, index: int, text: str, sender: object) -> None:
        """Pass on a chunk, but not to the connection that it came from."""

    def ended(self, stream: Stream, reply_id: str | None) -> None:
        """Know that the run is over, with this reply or with none."""


class Streams:
    """The streams of this node that are open."""

    def __init__(self) -> None:
        self.listener: Listener | None = None
        self._of_runs: dict[str, Stream] = {}
        self._of_replies: dict[str, Stream] = {}
        self._of_channels: dict[str, dict[str, Stream]] = {}  # and by run
        self._watchers: dict[str, list[Callable[[], None]]] = {}  # by run

    def find(self, run_id: str) -> Stream | None:
        """Return the stream of a run."""
        return self._of_runs.get(run_id)

    def find_reply(self, reply_id: str) -> Stream | None:
        """Return the stream of the reply that has this id reserved."""
        return self._of_replies.get(reply_id)

    def of_channel(self, channel_id: str) -> Collection[Stream]:
        """Return the streams of a channel."""
        return self._of_channels.get(channel_id, {}).values()

    def list_unsaved(self) -> list[Stream]:
        """Return the streams of which more was said than is written down."""
        return [stream for stream in self._of_runs.values() if stream.is_unsaved]

    def is_free(self, principal: Principal, run_id: str) -> bool:
        """Tell whether another call for this run takes from no bucket, and count it."""
        stream = self.find(run_id)
        return stream is not None and stream.is_open_to(principal) and stream.take_call()

    def open(self, run: Run) -> None:
        """Begin a stream, with what the run has of it already."""
        if run.id not in self._of_runs:
            stream = self._of_runs[run.id] = self._of_replies[run.reply_id] = Stream(run)
            self._of_channels.setdefault(run.channel_id, {})[run.id] = stream

    def add(self, stream: Stream, text: str, now: int, sender: object) -> None:
        """Add the next chunk to a stream that is open, and pass it on."""
        index = stream.next_index
        stream.add(text, now)
        if self.listener is not None:
            self.listener.added(stream, index, text, sender)
        for ring in self._watchers.get(stream.run.id, ()):
            ring()

    def watch(self, run_ids: Collection[str], ring: Callable[[], None]) -> None:
        """Ring for each chunk of these runs' replies."""
        for run_id in run_ids:
            self._watchers.setdefault(run_id, []).append(ring)

    def leave(self, run_ids: Collection[str], ring: Callable[[], None]) -> None:
        """Ring no more."""
        for run_id in run_ids:
            watchers = self._watchers[run_id]
            watchers.remove(ring)
            if not watchers:
                del self._watchers[run_id]

    def publish(self, events: Sequence[Event]) -> None:
        """Open and close what the committed events open and close."""
        for event in events:
            if event.kind == "run" and isinstance(event.subject, Run):
                self.open(event.subject)
            elif event.kind == "complete":
                self.close(event.payload["run_id"], event.payload["reply_id"])

    def close(self, run_id: str, reply_id: str | None = None) -> None:
        """Forget the stream of a run that is over."""
        stream = self._of_runs.pop(run_id, None)
        if stream is None:
            return
        stream.is_over = True
        del self._of_replies[stream.run.reply_id]
        siblings = self._of_channels[stream.run.channel_id]
        del siblings[run_id]
        if not siblings:
            del self._of_channels[stream.run.channel_id]
        if self.listener is not None:
            self.listener.ended(stream, reply_id)
