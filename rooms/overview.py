"""The runs of a whole database, as whoever operates it looks at them: the newest, and then each change."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection

from rooms import payloads, store
from rooms.replay import PAGE_BYTES, PAGE_ENTRIES
from rooms.rows import Entry
from rooms.runs import State
from rooms.store.runs import Wanted
from rooms.tables import Channel

Positions = Mapping[str, int]  # by server


@dataclass(frozen=True, slots=True)
class Filter:
    """Which runs are looked at; without states those in any, without a channel or an agent those of all."""

    channel_ids: Collection[str] | None = None
    agent_id: str | None = None
    states: Collection[State] = ()
    limit: int = 20


class Seen(NamedTuple):
    """A run as its event has it, and the name of its channel."""

    run: dict[str, Any]
    channel: str


def find_channels(connection: Connection, text: str) -> Collection[str]:
    """Return the ids of the channels that have this name, or this id."""
    return store.channels.list_named(connection, text)


def find_positions(connection: Connection) -> Positions:
    """Return where each server's log ends."""
    return {server.id: server.seq for server in store.servers.list_all(connection)}


def list_newest(connection: Connection, wish: Filter) -> list[Seen]:
    """Return the newest of the runs, the newest first."""
    wanted = Wanted(wish.channel_ids, wish.agent_id, wish.states)
    found = store.runs.list_page(connection, wanted, before=None, limit=wish.limit)
    return _named(connection, [payloads.run(run) for run in found])


def list_changes(connection: Connection, wish: Filter, after: Positions, until: Positions) -> list[Seen]:
    """Return the runs as they changed between two times, in order of each server's log."""
    changed = [
        run
        for server_id, end in until.items()
        for entry in _read(connection, server_id, wish.channel_ids, after.get(server_id, 0), end)
        if entry.kind == "run" and _is_wanted(run := orjson.loads(entry.payload)["run"], wish)
    ]
    return _named(connection, changed)


def _read(
    connection: Connection, server_id: str, channel_ids: Collection[str] | None, after: int, until: int
) -> Iterator[Entry]:
    while page := store.log.read(connection, server_id, channel_ids, after, until, PAGE_ENTRIES, PAGE_BYTES):
        yield from page
        after = page[-1].seq


def _is_wanted(run: dict[str, Any], wish: Filter) -> bool:
    is_by_agent = wish.agent_id in (None, run["agent_id"])
    return is_by_agent and (not wish.states or run["state"] in wish.states)


def _named(connection: Connection, found: list[dict[str, Any]]) -> list[Seen]:
    channels = store.channels.find(connection, {run["channel_id"] for run in found})
    return [Seen(run, _name(channels.get(run["channel_id"]))) for run in found]


def _name(channel: Channel | None) -> str:
    return channel.name if channel else "(deleted)"
