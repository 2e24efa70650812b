"""What a traced server did, system call by system call, and whether it kept its promise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

SYNCS = ("fsync", "fdatasync")
READS = ("read", "readv", "recvfrom", "recvmsg")
WRITES = ("write", "writev", "sendto", "sendmsg")

# -D leaves the server's process id to the server, -yy names files and peers, -xx makes texts easy to read.
OPTIONS = ("-D", "-f", "--seccomp-bpf", "-yy", "-xx", "-s", "64")
CALLS = ",".join((*SYNCS, *READS, *WRITES, "pwrite64"))

# The header of a frame in SQLite's write-ahead log ("The SQLite Database File Format", 4.1); it begins
# with the page's number and the size of the database after a commit, which is zero in other frames.
FRAME_HEADER_BYTES = 24

_UNFINISHED = " <unfinished ...>"
_LINE = re.compile(r"(?P<pid>\d+) +(?P<rest>.*)")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(?P<rest>.*)")
_HEX = r"(?:\\x[0-9a-f]{2})*"
_CALL = re.compile(
    rf"(?P<name>\w+)\(\d+<(?:(?P<peer>TCP:\[[^]]*\])|(?P<path>{_HEX})).*?>(?P<rest>.*) = (?P<result>-?\d+)"
)
_TEXT = re.compile(f'"({_HEX})"')


@dataclass(frozen=True, slots=True)
class Call:
    """One system call; ``began`` and ``ended`` are its places in the order of all that happened."""

    name: str
    file: str
    data: bytes
    result: int
    began: int
    ended: int

    @property
    def is_acknowledgement(self) -> bool:
        """Tell whether it tells a client that something is stored, through either door."""
        return self.name in WRITES and (b"HTTP/1.1 201 " in self.data or b"43/servers/" in self.data)

    @property
    def is_commit(self) -> bool:
        """Tell whether it writes the frame that ends a transaction."""
        return (
            self._is_of_the_log("pwrite64")
            and len(self.data) == FRAME_HEADER_BYTES
            and self.data[4:8] != bytes(4)
        )

    @property
    def is_sync(self) -> bool:
        """Tell whether it brings the write-ahead log to the disk."""
        return self._is_of_the_log(*SYNCS) and self.result == 0

    def brings_to(self, other: Call) -> bool:
        """Tell whether it reads something from the peer that the other call writes to, before that."""
        return self.name in READS and self.file == other.file and self.result > 0 and self.ended < other.began

    def _is_of_the_log(self, *names: str) -> bool:
        return self.name in names and self.file.endswith("-wal")


def read_calls(lines: Iterable[str]) -> list[Call]:
    """Return the calls that strace has written down, in the order in which they ended."""
    return list(_calls(lines))


def _calls(lines: Iterable[str]) -> Iterator[Call]:
    unfinished: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(lines):
        found = _LINE.match(line)
        if found is None:
            continue
        pid, call, began = found["pid"], found["rest"], number
        if call.endswith(_UNFINISHED):
            unfinished[pid] = number, call.removesuffix(_UNFINISHED)
            continue
        if (resumed := _RESUMED.match(call)) and pid in unfinished:
            began, call = unfinished.pop(pid)
            call += resumed["rest"]
        if done := _CALL.match(call):
            data = b"".join(map(_decode, _TEXT.findall(done["rest"])))
            file = done["peer"] or _decode(done["path"]).decode()
            yield Call(done["name"], file, data, int(done["result"]), began, number)


def _decode(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def find_unsafe(calls: Sequence[Call]) -> list[Call]:
    """Return the acknowledgements that were sent before what they acknowledge was on the disk.

    Between a request's arrival and the answer's departure a transaction must have been written, and
    after that a sync must have begun and ended.
    """
    commits = [call for call in calls if call.is_commit]
    syncs = [call for call in calls if call.is_sync]

    def is_safe(answer: Call) -> bool:
        arrived = max(call.ended for call in calls if call.brings_to(answer))
        written = min((commit.ended for commit in commits if commit.began > arrived), default=answer.began)
        return any(written < sync.began and sync.ended < answer.began for sync in syncs)

    return [call for call in calls if call.is_acknowledgement and not is_safe(call)]


def find_unsynced(calls: Sequence[Call]) -> list[Call]:
    """Return the commits that were not followed by a sync before the next one was written."""
    milestones = [call for call in calls if call.is_commit or call.is_sync]
    follows = [*milestones[1:], None]
    return [
        call
        for call, following in zip(milestones, follows, strict=True)
        if call.is_commit and (following is None or not following.is_sync)
    ]
