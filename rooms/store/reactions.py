"""What was answered to messages with one sign."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from sqlalchemy import Connection, bindparam, case, func, insert, select

from rooms.rows import Sign
from rooms.store.statements import Row, any_of, tables

table = tables["reactions"]

_MINE = case((table.c.entity_id == bindparam("entity_id"), 1), else_=0)
_SIGNS = (
    select(table.c.message_id, table.c.emoji, func.count(), func.max(_MINE))
    .where(table.c.message_id.in_(any_of("ids")))
    .group_by(table.c.message_id, table.c.emoji)
    .order_by(func.min(table.c.created_at), table.c.emoji)
)
_RANK = func.row_number().over(partition_by=table.c.emoji, order_by=(table.c.created_at, table.c.entity_id))
_RANKED = (
    select(table.c.emoji, table.c.entity_id, _RANK.label("rank"))
    .where(table.c.message_id == bindparam("message_id"))
    .subquery()
)
_FIRST = (
    select(_RANKED.c.emoji, _RANKED.c.entity_id)
    .where(_RANKED.c.rank <= bindparam("limit"))
    .order_by(_RANKED.c.rank)
)
_OF_MESSAGES = table.delete().where(table.c.message_id.in_(any_of("ids")))
_REMOVE = table.delete().where(
    table.c.message_id == bindparam("the_message"),
    table.c.entity_id == bindparam("the_entity"),
    table.c.emoji == bindparam("the_emoji"),
)


def count_signs(
    connection: Connection, message_ids: Collection[str], entity_id: str
) -> dict[str, list[Sign]]:
    """Return the signs at each of the messages that has any, the first one first."""
    signs: dict[str, list[Sign]] = defaultdict(list)
    values = {"ids": list(message_ids), "entity_id": entity_id}
    for message_id, emoji, count, is_mine in connection.execute(_SIGNS, values):
        signs[message_id].append(Sign(emoji, count, bool(is_mine)))
    return dict(signs)


def list_first(connection: Connection, message_id: str, limit: int) -> dict[str, list[str]]:
    """Return for each sign at the message who was first to give it, so many at most."""
    entities: dict[str, list[str]] = defaultdict(list)
    for emoji, entity_id in connection.execute(_FIRST, {"message_id": message_id, "limit": limit}):
        entities[emoji].append(entity_id)
    return dict(entities)


def add(connection: Connection, rows: Sequence[Row]) -> None:
    """Add reactions."""
    connection.execute(insert(table), rows)


def remove(connection: Connection, message_id: str, entity_id: str, emoji: str) -> None:
    """Remove one reaction."""
    values = {"the_message": message_id, "the_entity": entity_id, "the_emoji": emoji}
    connection.execute(_REMOVE, values)


def remove_all(connection: Connection, message_ids: Collection[str]) -> None:
    """Remove every reaction to the messages."""
    connection.execute(_OF_MESSAGES, {"ids": list(message_ids)})
