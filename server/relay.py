"""Relay: the chunks of replies, to everybody who is shown the channel, at the pace of each.

Whoever takes less than is said is sent nothing until it has room again, and then everything that it has
missed as one event. So is whoever comes late. What they have missed is kept once, with the stream.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from rooms.streams import Stream, Streams
from server import dialects
from server.frames import Outgoing


class Reader(Protocol):
    """A connection as the relay sees it."""

    namespace: str
    speaks_eliza: bool
    hears_chunks: bool

    @property
    def is_full(self) -> bool:
        """Tell whether the client takes less than it is sent."""

    def send(self, outgoing: Outgoing) -> None:
        """Queue packets; return at once."""

    def ask_for_more(self) -> None:
        """Have :meth:`Relay.make_up` called once there is room."""


class Relay:
    """Who has not been sent what of the streams; everybody else in a channel has been sent everything."""

    def __init__(self, streams: Streams, room_of: Callable[[str], Collection[Reader]]) -> None:
        self._streams = streams
        self._room_of = room_of
        self._owed: dict[Reader, dict[str, int]] = {}  # by run: the index of the first chunk that is missing
        streams.listener = self

    def added(self, stream: Stream, index: int, text: str, sender: object) -> None:
        """Send a chunk, encoded once for each namespace, to everybody who has all that was before it."""
        encoded: dict[str, Outgoing] = {}
        for reader in self._room(stream):
            if reader is sender or not reader.hears_chunks or stream.run.id in self._owed.get(reader, ()):
                continue
            if reader.is_full:
                self._owe(reader, stream, index)
                continue
            outgoing = encoded.get(reader.namespace)
            if outgoing is None:
                outgoing = encoded[reader.namespace] = dialects.chunk(reader.namespace, stream, index, text)
            reader.send(outgoing)

    def ended(self, stream: Stream, reply_id: str | None) -> None:
        """Send nothing of a stream any more: the reply, or the end of the run, says the rest."""
        for reader in list(self._owed):
            self._forgive(reader, stream)
        if stream.next_index and reply_id != stream.run.reply_id:
            self._tell_broken_off(stream)

    def _tell_broken_off(self, stream: Stream) -> None:
        """Tell elizaOS's clients of a reply that will never come; others see the end of its run."""
        outgoing = None
        for reader in self._room(stream):
            if reader.speaks_eliza:
                outgoing = outgoing or dialects.broken_off(stream)
                reader.send(outgoing)

    def enter(self, reader: Reader, channel_id: str) -> None:
        """Know that the reader is shown the channel from now on: it is owed what was said so far."""
        for stream in self._streams.of_channel(channel_id) if reader.hears_chunks else ():
            self._owe(reader, stream, 0)

    def pause(self, reader: Reader, channel_id: str) -> None:
        """Know that the reader is shown the channel later on; until then it may miss something."""
        for stream in self._streams.of_channel(channel_id) if reader.hears_chunks else ():
            self._owed.setdefault(reader, {}).setdefault(stream.run.id, stream.next_index)

    def leave(self, reader: Reader, channel_id: str) -> None:
        """Know that the reader is shown the channel no longer."""
        for stream in self._streams.of_channel(channel_id):
            self._forgive(reader, stream)

    def forget(self, reader: Reader) -> None:
        """Owe nothing to a reader that is gone."""
        self._owed.pop(reader, None)

    def make_up(self, reader: Reader) -> None:
        """Send what is missing of one stream to a reader that has room; it asks again if that is not all."""
        owed = self._owed.get(reader, {})
        due = [
            stream
            for run_id in owed
            if (stream := self._streams.find(run_id)) and self._is_in(reader, stream)
        ]
        for number, stream in enumerate(due, 1):
            index, text = stream.since(owed[stream.run.id])
            count = stream.next_index - index
            self._forgive(reader, stream)
            if count:
                reader.send(dialects.chunk(reader.namespace, stream, index, text, count))
                if number < len(due):
                    reader.ask_for_more()
                return

    def _owe(self, reader: Reader, stream: Stream, index: int) -> None:
        self._owed.setdefault(reader, {}).setdefault(stream.run.id, index)
        reader.ask_for_more()

    def _forgive(self, reader: Reader, stream: Stream) -> None:
        owed = self._owed.get(reader, {})
        owed.pop(stream.run.id, None)
        if not owed:
            self._owed.pop(reader, None)

    def _is_in(self, reader: Reader, stream: Stream) -> bool:
        return reader in self._room(stream)

    def _room(self, stream: Stream) -> Collection[Reader]:
        return self._room_of(stream.run.channel_id)
