"""Up to where everybody has read, and what that leaves unread."""

from __future__ import annotations

from sqlalchemy import Connection, text

from rooms.rows import Unread

# What was said before somebody joined is not unread.
_UNREAD = """
WITH own AS (
    SELECT channels.id AS channel_id, channels.created_at AS created_at,
        CASE WHEN read_markers.seq > participants.joined_seq
            THEN read_markers.seq ELSE participants.joined_seq END AS seq
    FROM participants
    JOIN channels ON channels.id = participants.channel_id
    LEFT JOIN read_markers ON read_markers.channel_id = participants.channel_id
        AND read_markers.entity_id = participants.entity_id
    WHERE participants.entity_id = :entity_id AND participants.left_seq IS NULL AND {condition}
)
SELECT own.channel_id, own.seq,
    (SELECT count(*) FROM (
        SELECT 1 FROM messages WHERE messages.channel_id = own.channel_id AND messages.seq > own.seq
        AND messages.author_id <> :entity_id AND messages.deleted_at IS NULL LIMIT :most
    ) AS unread) AS unread,
    (SELECT count(*) FROM (
        SELECT 1 FROM mentions WHERE mentions.entity_id = :entity_id
        AND mentions.channel_id = own.channel_id AND mentions.seq > own.seq LIMIT :most
    ) AS mentioned) AS mentions
FROM own ORDER BY own.created_at DESC, own.channel_id DESC LIMIT :limit
"""
_OF_CHANNEL = text(_UNREAD.format(condition="participants.channel_id = :channel_id"))
_OF_SERVER = text(_UNREAD.format(condition="channels.server_id = :server_id"))
_PUT = text(
    "INSERT INTO read_markers (channel_id, entity_id, seq, updated_at)"
    " VALUES (:channel_id, :entity_id, :seq, :now)"
    " ON CONFLICT (channel_id, entity_id) DO UPDATE SET seq = excluded.seq, updated_at = excluded.updated_at"
    " WHERE excluded.seq > read_markers.seq"
)


def find(connection: Connection, channel_id: str, entity_id: str, most: int) -> Unread | None:
    """Return where the entity stands in a channel that it takes part in; counts end at ``most``."""
    values = {"channel_id": channel_id, "entity_id": entity_id, "most": most, "limit": 1}
    row = connection.execute(_OF_CHANNEL, values).first()
    return Unread._make(row) if row is not None else None


def list_of(connection: Connection, server_id: str, entity_id: str, most: int, limit: int) -> list[Unread]:
    """Return where the entity stands in the newest channels of the server that it takes part in."""
    values = {"server_id": server_id, "entity_id": entity_id, "most": most, "limit": limit}
    return [Unread._make(row) for row in connection.execute(_OF_SERVER, values)]


def put(connection: Connection, channel_id: str, entity_id: str, seq: int, now: int) -> None:
    """Move the entity's marker on; one that is further already stays."""
    values = {"channel_id": channel_id, "entity_id": entity_id, "seq": seq, "now": now}
    connection.execute(_PUT, values)
