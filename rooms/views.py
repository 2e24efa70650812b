"""Which events of a log one client is shown: stretches of channels.

A client that is connected without a break is shown what is said in its channels while it is in them;
one that comes back, or asks for the log by other means, is shown exactly the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from rooms.rows import Entry, Interval
from rooms.store.log import ERASED

Stretches = tuple[Interval, ...]


class View:
    """The stretches of one client; with ``shows_all`` every channel is shown, ``only`` those at most.

    ``parted`` are the channels that the client has left by itself, and not entered since.
    """

    __slots__ = ("_stretches", "only", "parted", "shows_all")

    def __init__(
        self,
        stretches: Iterable[tuple[str, Interval]] = (),
        *,
        shows_all: bool = False,
        only: Collection[str] | None = None,
        parted: Iterable[str] = (),
    ) -> None:
        self._stretches: dict[str, Stretches] = {}
        self.parted = set(parted)
        self.shows_all = shows_all
        self.only = only
        for channel_id, interval in stretches:
            if self._may_show(channel_id):
                self._stretches[channel_id] = (*self._stretches.get(channel_id, ()), interval)

    def _may_show(self, channel_id: str) -> bool:
        return self.only is None or channel_id in self.only

    def shown_at(self, seq: int) -> list[str]:
        """Return the channels whose event of that seq would be shown."""
        return [
            channel_id
            for channel_id, stretches in self._stretches.items()
            if any(first <= seq and (end is None or seq < end) for first, end in stretches)
        ]

    @property
    def known_channels(self) -> list[str]:
        """The channels of which something is shown."""
        return list(self._stretches)

    def is_open(self, channel_id: str) -> bool:
        """Tell whether the channel is shown, as far as can be known now, without end."""
        stretches = self._stretches.get(channel_id)
        return stretches is not None and stretches[-1].end is None

    def open(self, channel_id: str, first: int) -> None:
        """Show the channel from a seq on, unless it is shown already."""
        if not self.is_open(channel_id) and self._may_show(channel_id):
            self._stretches[channel_id] = (*self._stretches.get(channel_id, ()), Interval(first, None))
            self.parted.discard(channel_id)

    def part(self, channel_id: str) -> None:
        """Show nothing of the channel, which the client has left by itself."""
        self.drop(channel_id)
        self.parted.add(channel_id)

    def close(self, channel_id: str, end: int) -> None:
        """Show the channel until before a seq."""
        if self.is_open(channel_id):
            *earlier, newest = self._stretches[channel_id]
            self._stretches[channel_id] = (*earlier, Interval(newest.first, end))

    def drop(self, channel_id: str) -> None:
        """Show nothing of the channel."""
        self._stretches.pop(channel_id, None)

    def forget_before(self, seq: int) -> None:
        """Drop channels that are shown no longer, once that has been passed."""
        self._stretches = {
            channel_id: stretches
            for channel_id, stretches in self._stretches.items()
            if stretches[-1].end is None or stretches[-1].end > seq
        }

    def add_earlier(self, channel_id: str, shown: Interval) -> None:
        """Know of a stretch of an open channel that lies before what is shown of it."""
        if not self.is_open(channel_id):
            return
        earliest, *later = self._stretches[channel_id]
        if earliest.end == shown.first:
            self._stretches[channel_id] = (Interval(earliest.first, shown.end), *later)
        else:
            self._stretches[channel_id] = (shown, earliest, *later)

    def add_all_earlier(self, channel_id: str, view: View) -> None:
        """Know of what another view shows of a channel, all of it before what is shown here."""
        for interval in reversed(view._stretches.get(channel_id, ())):
            self.add_earlier(channel_id, interval)

    def within(self, channel_id: str, bounds: Interval) -> View:
        """Return what is shown of one channel between two seqs."""
        shown = (bounds,) if self.shows_all else self._stretches.get(channel_id, ())
        clipped = (_overlap(interval, bounds) for interval in shown)
        return View(((channel_id, interval) for interval in clipped if interval), only=self.only)

    def shows(self, entry: Entry) -> bool:
        """Tell whether an event is shown; what was forgotten is shown to nobody."""
        if entry.kind == ERASED:
            return False
        if self.shows_all:
            return self._may_show(entry.channel_id)
        for first, end in self._stretches.get(entry.channel_id, ()):
            if first <= entry.seq and (end is None or entry.seq < end):
                return True
        return False

    def first_shown(self, channel_id: str) -> int | None:
        """Return the first seq of all that is shown of an open channel."""
        return self._stretches[channel_id][0].first if self.is_open(channel_id) else None

    def open_from(self, channel_id: str) -> int | None:
        """Return the seq from which on an open channel is shown without end."""
        return self._stretches[channel_id][-1].first if self.is_open(channel_id) else None


def _overlap(one: Interval, bounds: Interval) -> Interval | None:
    assert bounds.end is not None  # noqa: S101 - as the caller has it
    first, end = max(one.first, bounds.first), min(one.end or bounds.end, bounds.end)
    return Interval(first, end) if first < end else None
