"""In which channels which agents are not to answer."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, or_, select, text

from rooms.run_tables import Mute
from rooms.store.statements import Row, fetch_all, tables

table = tables["mutes"]

_OF_CHANNEL = (
    select(table)
    .where(
        table.c.channel_id == bindparam("channel_id"),
        or_(table.c.until.is_(None), table.c.until > bindparam("now")),
    )
    .order_by(table.c.created_at, table.c.agent_id)
)
_PUT = text(
    "INSERT INTO mutes (channel_id, agent_id, reason, until, muted_by, created_at)"
    " VALUES (:channel_id, :agent_id, :reason, :until, :muted_by, :created_at)"
    " ON CONFLICT (channel_id, agent_id) DO UPDATE SET reason = excluded.reason, until = excluded.until,"
    " muted_by = excluded.muted_by, created_at = excluded.created_at"
)
_OF_PLACE = delete(table).where(table.c.channel_id == bindparam("the_channel"))
_REMOVE = delete(table).where(
    table.c.channel_id == bindparam("the_channel"), table.c.agent_id == bindparam("the_agent")
)


def list_of(connection: Connection, channel_id: str, now: int) -> list[Mute]:
    """Return the mutes of a channel that hold, the oldest first."""
    return fetch_all(connection, _OF_CHANNEL, Mute, channel_id=channel_id, now=now)


def put(connection: Connection, row: Row) -> None:
    """Mute an agent in a channel, or change how it is muted."""
    connection.execute(_PUT, row)


def remove(connection: Connection, channel_id: str, agent_id: str) -> None:
    """Mute the agent in the channel no longer."""
    connection.execute(_REMOVE, {"the_channel": channel_id, "the_agent": agent_id})


def remove_all(connection: Connection, channel_id: str) -> None:
    """Mute nobody in the channel any longer."""
    connection.execute(_OF_PLACE, {"the_channel": channel_id})
