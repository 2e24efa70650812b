"""Who takes part in which channel, and from where to where in its log."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, bindparam, insert, or_, select, tuple_, update

from rooms.rows import Attendance, Membership
from rooms.store.statements import Pair, Row, any_of, fetch_all, tables
from rooms.tables import Participant

table = tables["participants"]
_entities, _channels = tables["entities"], tables["channels"]

_PRESENT = (
    select(
        table.c.entity_id,
        table.c.channel_id,
        table.c.role,
        table.c.joined_at,
        _entities.c.kind,
        _entities.c.name,
        _entities.c.handle,
    )
    .join(_entities, _entities.c.id == table.c.entity_id)
    .where(table.c.left_seq.is_(None))
)
_ACTIVE = _PRESENT.where(tuple_(table.c.channel_id, table.c.entity_id).in_(any_of("pairs")))
_OF_CHANNEL = _PRESENT.where(table.c.channel_id == bindparam("channel_id")).order_by(table.c.joined_seq)
_MEMBERSHIPS = (
    select(table)
    .where(table.c.channel_id.in_(any_of("ids")), table.c.entity_id == bindparam("entity_id"))
    .order_by(table.c.joined_seq)
)

_SINCE = (
    select(table.c.channel_id, table.c.joined_seq, table.c.left_seq)
    .join(_channels, _channels.c.id == table.c.channel_id)
    .where(
        _channels.c.server_id == bindparam("server_id"),
        table.c.entity_id == bindparam("entity_id"),
        or_(table.c.left_seq.is_(None), table.c.left_seq > bindparam("after") + 1),
    )
    .order_by(table.c.joined_seq)
)


def find(connection: Connection, pairs: Collection[Pair]) -> dict[Pair, Attendance]:
    """Return who of the pairs of channel and entity takes part now."""
    found = [Attendance(*row) for row in connection.execute(_ACTIVE, {"pairs": list(pairs)})]
    return {(attendance.channel_id, attendance.entity_id): attendance for attendance in found}


def list_present(connection: Connection, channel_id: str) -> list[Attendance]:
    """Return the channel's present participants in the order in which they joined."""
    return [Attendance(*row) for row in connection.execute(_OF_CHANNEL, {"channel_id": channel_id})]


def list_memberships(
    connection: Connection, channel_ids: Collection[str], entity_id: str
) -> list[Participant]:
    """Return every membership interval of the entity in the channels, the oldest of each channel first."""
    values = {"ids": list(channel_ids), "entity_id": entity_id}
    return fetch_all(connection, _MEMBERSHIPS, Participant, **values)


def list_since(connection: Connection, server_id: str, entity_id: str, after: int) -> list[Membership]:
    """Return the entity's memberships in the server that reach beyond a seq, the oldest first."""
    values = {"server_id": server_id, "entity_id": entity_id, "after": after}
    return [Membership._make(row) for row in connection.execute(_SINCE, values)]


def add(connection: Connection, rows: Sequence[Row]) -> None:
    """Begin membership intervals."""
    connection.execute(insert(table), rows)


def end(connection: Connection, channel_id: str, entity_id: str, seq: int) -> None:
    """End the membership that holds now at the given seq."""
    present = (table.c.channel_id == channel_id, table.c.entity_id == entity_id, table.c.left_seq.is_(None))
    connection.execute(update(table).where(*present).values(left_seq=seq))


def end_all(connection: Connection, channel_id: str, seq: int) -> None:
    """End every membership of the channel at the given seq."""
    present = (table.c.channel_id == channel_id, table.c.left_seq.is_(None))
    connection.execute(update(table).where(*present).values(left_seq=seq))


def set_agent(connection: Connection, entity_id: str, *, is_agent: bool) -> None:
    """Know from now on whether the entity, wherever it takes part, is an agent."""
    connection.execute(update(table).where(table.c.entity_id == entity_id).values(is_agent=is_agent))
