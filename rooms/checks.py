"""Checks: whether what the database holds fits together, and in words what does not.

Each statement sees one state of the database, so that messages may be stored meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from rooms import store
from rooms.rows import ChannelSummary, LogSummary


@dataclass(frozen=True, slots=True)
class Finding:
    """One server's log, and a sentence for each thing that is wrong with it."""

    log: LogSummary
    faults: list[str]


def examine(connection: Connection) -> list[Finding]:
    """Return what is found of each server, in order of id."""
    unlogged = store.messages.count_unlogged(connection)
    faults: dict[str, list[str]] = defaultdict(list)
    for channel in store.channels.summarise(connection):
        faults[channel.server_id] += _faults_of_channel(channel)
    return [
        Finding(log, [*_faults_of_log(log, unlogged.get(log.server_id, 0)), *faults[log.server_id]])
        for log in store.log.summarise(connection)
    ]


def _faults_of_log(log: LogSummary, unlogged: int) -> Iterator[str]:
    if log.floor_seq > log.server_seq:
        yield f"Its events are forgotten up to {log.floor_seq}, and it stands at {log.server_seq}"
    elif not log.is_complete:
        held = f"{log.held}, from {log.first} to {log.last}" if log.held else "none"
        yield f"Its log should hold the events {log.floor_seq + 1} to {log.server_seq}, and holds {held}"
    if log.orphans:
        yield f"Events in its log that have lost their message: {log.orphans}"
    if unlogged:
        yield f"Messages that have lost their event in its log: {unlogged}"


def _faults_of_channel(channel: ChannelSummary) -> Iterator[str]:
    if not channel.is_in_place:
        newest = "has no event" if channel.newest is None else f"its newest event is {channel.newest}"
        yield f"Channel {channel.id} stands at {channel.seq}, and {newest}"
    if channel.message_count != channel.messages:
        yield f"Channel {channel.id} counts {channel.message_count} messages, and has {channel.messages}"
