"""The registry of users, agents and services."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, bindparam, func, or_, select, text, update

from rooms.rules import name_key
from rooms.store.statements import Row, any_of, fetch_all, tables
from rooms.tables import Entity

table = tables["entities"]

_BY_IDS = select(table).where(table.c.id.in_(any_of("ids")))
_INSERT = (
    "INSERT INTO entities (id, kind, name, name_key, created_at)"
    " VALUES (:id, :kind, :name, :name_key, :created_at)"
)
_ADD = text(f"{_INSERT} ON CONFLICT (id) DO NOTHING")
_PUT = text(
    f"{_INSERT} ON CONFLICT (id) DO UPDATE"
    " SET kind = excluded.kind, name = excluded.name, name_key = excluded.name_key"
)

_TAKEN = select(table.c.id).where(
    or_(table.c.handle_key == bindparam("key"), func.lower(table.c.id) == bindparam("lower")),
    table.c.id != bindparam("entity_id"),
)
_CHANGE = update(table).where(table.c.id == bindparam("the_id"))


def find(connection: Connection, entity_ids: Collection[str]) -> dict[str, Entity]:
    """Return the entities that exist, by id."""
    found = fetch_all(connection, _BY_IDS, Entity, ids=list(entity_ids))
    return {entity.id: entity for entity in found}


def add(connection: Connection, rows: Sequence[Row]) -> None:
    """Register entities; one that exists already stays as it is."""
    if rows:
        connection.execute(_ADD, [_with_key(row) for row in rows])


def put(connection: Connection, row: Row) -> None:
    """Register an entity, or correct what is registered."""
    connection.execute(_PUT, _with_key(row))


def is_taken(connection: Connection, handle: str, entity_id: str) -> bool:
    """Tell whether the handle is, without regard to case, the handle or the id of another than the entity."""
    # Ids are ASCII.
    values = {"key": name_key(handle), "lower": handle.lower(), "entity_id": entity_id}
    return connection.execute(_TAKEN, values).first() is not None


def change(connection: Connection, entity_id: str, *, name: str, handle: str | None) -> None:
    """Give an entity another name and handle."""
    row = {"name": name, "name_key": name_key(name), "handle": handle}
    row["handle_key"] = name_key(handle) if handle is not None else None
    connection.execute(_CHANGE, {"the_id": entity_id, **row})


def _with_key(row: Row) -> Row:
    return {**row, "name_key": name_key(row["name"])}
