"""Channels."""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

from sqlalchemy import Connection, bindparam, func, insert, or_, select, text, update

from rooms.rows import ChannelSummary
from rooms.store.statements import Row, any_of, fetch_all, fetch_first, tables
from rooms.tables import Channel

table = tables["channels"]
_participants = tables["participants"]
_servers, _events, _messages = tables["servers"], tables["events"], tables["messages"]

_LIVING = select(table).where(table.c.deleted_at.is_(None))
_BY_IDS = _LIVING.where(table.c.id.in_(any_of("ids")))
_TAKEN = select(table.c.id).where(table.c.id == bindparam("the_id"))
_OF_SERVER = _LIVING.where(table.c.server_id == bindparam("server_id"))
_BY_NAME = _OF_SERVER.where(table.c.unique_name == bindparam("unique_name"))
_NAMED = select(table.c.id).where(
    or_(table.c.id == bindparam("text"), table.c.name == bindparam("text")), table.c.deleted_at.is_(None)
)
_DM = _OF_SERVER.where(table.c.dm_key == bindparam("dm_key"))
_BY_SOURCES = _OF_SERVER.where(
    text("channels.source_id IS NOT NULL"),  # word for word the condition of the index
    table.c.source_id.in_(any_of("source_ids")),
).order_by(table.c.created_at.desc(), table.c.id.desc())
_NEWEST = _OF_SERVER.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(bindparam("limit"))
_JOINABLE = _NEWEST.where(table.c.joinable)
_OF_ENTITY = (
    _NEWEST.add_columns(_participants.c.joined_seq)
    .join(_participants, _participants.c.channel_id == table.c.id)
    .where(_participants.c.entity_id == bindparam("entity_id"), _participants.c.left_seq.is_(None))
)


def find(connection: Connection, channel_ids: Collection[str]) -> dict[str, Channel]:
    """Return the channels that exist, by id."""
    found = fetch_all(connection, _BY_IDS, Channel, ids=list(channel_ids))
    return {channel.id: channel for channel in found}


def is_taken(connection: Connection, channel_id: str) -> bool:
    """Tell whether there is a channel of this id, or was one."""
    return connection.execute(_TAKEN, {"the_id": channel_id}).first() is not None


def find_by_name(connection: Connection, server_id: str, unique_name: str) -> Channel | None:
    """Return the channel that holds the unique name in the server."""
    return fetch_first(connection, _BY_NAME, Channel, server_id=server_id, unique_name=unique_name)


def list_named(connection: Connection, text: str) -> list[str]:
    """Return the ids of the channels of all servers that have this name, or this id."""
    return list(connection.execute(_NAMED, {"text": text}).scalars())


def find_by_sources(
    connection: Connection, server_id: str, source_ids: Collection[str]
) -> dict[str, Channel]:
    """Return the server's channels that stand for those of another platform, by the ids that they have there.

    Of several the oldest one does.
    """
    values = {"server_id": server_id, "source_ids": list(source_ids)}
    found = fetch_all(connection, _BY_SOURCES, Channel, **values)
    return {channel.source_id or "": channel for channel in found}


def find_dm(connection: Connection, server_id: str, dm_key: str) -> Channel | None:
    """Return the dm of the pair in the server."""
    return fetch_first(connection, _DM, Channel, server_id=server_id, dm_key=dm_key)


def list_of(connection: Connection, server_id: str, entity_id: str, limit: int) -> list[tuple[Channel, int]]:
    """Return the newest channels of the server that the entity is in, each with the seq since which."""
    values = {"server_id": server_id, "entity_id": entity_id, "limit": limit}
    return [(cast(Channel, row), row.joined_seq) for row in connection.execute(_OF_ENTITY, values)]


def list_all(connection: Connection, server_id: str, limit: int) -> list[Channel]:
    """Return the newest channels of the server."""
    return fetch_all(connection, _NEWEST, Channel, server_id=server_id, limit=limit)


def list_joinable(connection: Connection, server_id: str, limit: int) -> list[Channel]:
    """Return the newest channels of the server that anybody may join."""
    return fetch_all(connection, _JOINABLE, Channel, server_id=server_id, limit=limit)


def summarise(connection: Connection) -> list[ChannelSummary]:
    """Return a summary of each channel, in order of the channels' ids."""
    newest = select(func.max(_events.c.seq)).where(_events.c.channel_id == table.c.id)
    messages = select(func.count()).where(
        _messages.c.channel_id == table.c.id, _messages.c.deleted_at.is_(None)
    )
    statement = (
        select(
            table.c.id,
            table.c.server_id,
            _servers.c.floor_seq,
            table.c.seq,
            newest.scalar_subquery(),
            table.c.message_count,
            messages.scalar_subquery(),
        )
        .join(_servers, _servers.c.id == table.c.server_id)
        .order_by(table.c.id)
    )
    return [ChannelSummary(*row) for row in connection.execute(statement)]


def add(connection: Connection, row: Row) -> None:
    """Add a channel."""
    connection.execute(insert(table), row)


def change(connection: Connection, channel_id: str, values: Row) -> None:
    """Store what is said of the channel from now on."""
    connection.execute(update(table).where(table.c.id == channel_id).values(values))


def erase(connection: Connection, channel_id: str, now: int) -> None:
    """Leave of the channel nothing but that it was there."""
    nothing = dict.fromkeys(("unique_name", "dm_key", "topic", "source_type", "source_id"))
    change(
        connection,
        channel_id,
        {
            **nothing,
            "name": "",
            "details": {},
            "joinable": False,
            "updated_at": now,
            "deleted_at": now,
        },
    )


def set_dm_key(connection: Connection, channel_id: str, dm_key: str) -> None:
    """Mark the channel as the one dm of a pair."""
    change(connection, channel_id, {"dm_key": dm_key})
