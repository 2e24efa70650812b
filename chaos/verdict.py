"""The verdict: what clients saw and were promised, held against what the log holds.

A client that goes on from its newest position must have seen exactly what the log shows it after the
position at which it began: each event once, in the order of the log. What the log shows it are the events
of the channels in which it took part at their seq.
"""

from __future__ import annotations

import enum
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chaos.history import Entry, History, Log, Place, Resync, Sight, Stay, Submission, Visit


class Kind(enum.StrEnum):
    """What can be wrong."""

    LOST = "lost"
    DOUBLED = "doubled"
    DISORDERED = "out of order"
    FORBIDDEN = "forbidden"
    FALSE = "false"  # what was told is not what is stored


class Fault(NamedTuple):
    """One thing that is wrong, in a sentence."""

    kind: Kind
    what: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a client saw from one beginning on, until it had to begin anew or the run ended."""

    start: int
    until: int
    seen: Sequence[Sight]


def judge(
    log: Log, submissions: Sequence[Submission], histories: Sequence[History], until: int
) -> list[Fault]:
    """Return everything that is wrong; each client had time to see the log up to the seq ``until``."""
    faults = [*_faults_of_log(log), *_faults_of_answers(log, submissions)]
    deletions = {
        submission.seq: submission.deleted_at
        for submission in submissions
        if submission.seq is not None and submission.deleted_at is not None
    }
    for history in histories:
        shown = _Shown(log, history)
        for stretch in _stretches(history, until):
            faults += _faults_of_stretch(history.name, stretch, shown)
        faults += _faults_of_visits(log, history, deletions)
    return faults


class _Shown:
    """What one client is to see of the log."""

    def __init__(self, log: Log, history: History) -> None:
        self._history = history
        self._stays: dict[str, list[Stay]] = defaultdict(list)
        for stay in log.stays:
            if stay.principal_id == history.principal_id:
                self._stays[stay.channel_id].append(stay)
        self.kinds = {entry.seq: entry.kind for entry in log.entries}
        self.channels = {entry.seq: entry.channel_id for entry in log.entries}
        self.seqs = [entry.seq for entry in log.entries if self._shows(entry)]

    def _shows(self, entry: Entry) -> bool:
        if self._history.only not in (None, entry.channel_id):
            return False
        return self._history.principal_id is None or any(
            stay.first <= entry.seq and (stay.end is None or entry.seq < stay.end)
            for stay in self._stays[entry.channel_id]
        )


def _faults_of_log(log: Log) -> Iterator[Fault]:
    seqs = [entry.seq for entry in log.entries]
    if seqs != list(range(log.floor + 1, log.top + 1)):
        yield Fault(Kind.LOST, f"The log does not hold each seq from {log.floor + 1} to {log.top} once")


def _faults_of_answers(log: Log, submissions: Sequence[Submission]) -> Iterator[Fault]:
    events = {entry.seq: entry for entry in log.entries if entry.kind == "message"}
    stored = {message.message_id: message for message in log.messages}
    for submission in submissions:
        if submission.seq is None or submission.seq <= log.floor:
            continue
        event = events.get(submission.seq)
        if event is None or event.message_id != submission.message_id:
            yield Fault(Kind.LOST, f"{submission.key} was acknowledged as {submission.seq}, and is not there")
            continue
        message = stored[event.message_id or ""]
        is_deleted = submission.deleted_at is not None
        if not submission.is_open and (message.text, message.is_deleted) != (submission.text, is_deleted):
            yield Fault(Kind.LOST, f"What was done last to {submission.key} was acknowledged, and is undone")
    yield from _faults_of_repeats(log, submissions)


def _faults_of_repeats(log: Log, submissions: Sequence[Submission]) -> Iterator[Fault]:
    """Find messages that were stored more often than they were submitted: every text begins with its key."""
    keys = {submission.key for submission in submissions}
    stored = Counter(message.text.split()[0] for message in log.messages if not message.is_deleted)
    for key, times in stored.items():
        if key in keys and times > 1:
            yield Fault(Kind.DOUBLED, f"{key} is stored {times} times")
    submitted = Counter(submission.author_id for submission in submissions)
    for author_id, times in Counter(message.author_id for message in log.messages).items():
        if times > submitted[author_id]:
            yield Fault(Kind.DOUBLED, f"{author_id} submitted {submitted[author_id]}, and {times} are stored")


def _stretches(history: History, until: int) -> Iterator[Stretch]:
    start: int | None = None
    seen: list[Sight] = []
    for visit in history.visits:
        if visit.resync is not None and start is not None:
            # What it had not seen by then it was told that it would not see.
            yield Stretch(start, max((sight.seq for sight in seen), default=start), seen)
            start, seen = None, []
        if start is None and visit.start is not None:
            start = visit.start.seq
        seen.extend(visit.seen)
    if start is not None:
        yield Stretch(start, until, seen)


def _faults_of_stretch(name: str, stretch: Stretch, shown: _Shown) -> Iterator[Fault]:
    seqs = [sight.seq for sight in stretch.seen]
    expected = {seq for seq in shown.seqs if seq > stretch.start}
    for seq in sorted(seq for seq in expected - set(seqs) if seq <= stretch.until):
        yield Fault(Kind.LOST, f"{name} did not see {seq}")
    for seq, times in Counter(seqs).items():
        if times > 1:
            yield Fault(Kind.DOUBLED, f"{name} saw {seq} {times} times")
    for seq in sorted(set(seqs) - expected):
        yield Fault(Kind.FORBIDDEN, f"{name} saw {seq}, which it must not")
    highest = 0
    for sight in stretch.seen:
        if sight.seq < highest:
            yield Fault(Kind.DISORDERED, f"{name} saw {sight.seq} after {highest}")
        highest = max(highest, sight.seq)
        if (sight.kind, sight.channel_id) != (shown.kinds.get(sight.seq), shown.channels.get(sight.seq)):
            yield Fault(Kind.FALSE, f"{name} saw {sight.seq} as another event than the log holds")


def _faults_of_visits(log: Log, history: History, deletions: dict[int, float]) -> Iterator[Fault]:
    for visit in history.visits:
        if visit.resync is not None and not _has_reason(log, visit.resync):
            yield Fault(Kind.FALSE, f"{history.name} had to begin anew without a reason: {visit.resync}")
        for sight in visit.seen:
            if sight.kind == "message" and sight.text and _was_deleted(visit, deletions.get(sight.seq)):
                yield Fault(Kind.FORBIDDEN, f"{history.name} was told what {sight.seq} said before deletion")


def _was_deleted(visit: Visit, deleted_at: float | None) -> bool:
    return deleted_at is not None and deleted_at < visit.began_at


def _has_reason(log: Log, resync: Resync) -> bool:
    """Tell whether a client could not go on from its position: it has been pruned, or is of another log."""
    stated: Place | None = resync.stated
    return stated is None or stated.epoch != log.epoch or stated.seq < log.floor
