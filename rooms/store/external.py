"""Which channels those of platforms are."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection, delete, select, text, tuple_

from rooms.store.statements import any_of, tables

table = tables["external_channels"]


class Place(NamedTuple):
    """A channel of a platform, as one agent knows it; ``agent_id`` is empty if none was named."""

    platform: str
    source_id: str
    agent_id: str


_KEY = tuple_(table.c.platform, table.c.source_id, table.c.agent_id)
_BY_PLACES = select(table).where(_KEY.in_(any_of("places")))
_PUT = text(
    "INSERT INTO external_channels (platform, source_id, agent_id, channel_id, created_at)"
    " VALUES (:platform, :source_id, :agent_id, :channel_id, :now)"
    " ON CONFLICT (platform, source_id, agent_id) DO UPDATE SET channel_id = excluded.channel_id"
)


def find(connection: Connection, places: Collection[Place]) -> dict[Place, str]:
    """Return the ids of the channels that the places are, by them."""
    found = connection.execute(_BY_PLACES, {"places": list(places)})
    return {Place(row.platform, row.source_id, row.agent_id): row.channel_id for row in found}


def put(connection: Connection, place: Place, channel_id: str, now: int) -> None:
    """Remember which channel the place is."""
    connection.execute(_PUT, {**place._asdict(), "channel_id": channel_id, "now": now})


def forget(connection: Connection, channel_id: str) -> None:
    """Forget which place the channel is."""
    connection.execute(delete(table).where(table.c.channel_id == channel_id))
