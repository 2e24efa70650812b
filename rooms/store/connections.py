"""What Socket.IO clients did to their rooms by themselves, and who holds which connection."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, text

from rooms.store.statements import fetch_first, tables
from rooms.tables import ConnectionRow

table = tables["connections"]

_BY_ID = select(table).where(table.c.id == bindparam("id"))
_UPSERT = (
    "INSERT INTO connections (id, server_id, principal_id, generation, joined, parted, updated_at)"
    " VALUES (:id, :server_id, :principal_id, :generation, :joined, :parted, :now)"
    " ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at,"
)
_JSON = [bindparam(name, type_=table.c[name].type) for name in ("joined", "parted")]
_TAKE = text(f"{_UPSERT} generation = connections.generation + 1").bindparams(*_JSON)
_PUT = text(f"{_UPSERT} joined = excluded.joined, parted = excluded.parted").bindparams(*_JSON)

_OLD = select(table.c.id).where(table.c.updated_at < bindparam("before")).limit(bindparam("most"))
_FORGET = delete(table).where(table.c.id.in_(_OLD))


def find(connection: Connection, connection_id: str) -> ConnectionRow | None:
    """Return what is known of the connection."""
    return fetch_first(connection, _BY_ID, ConnectionRow, id=connection_id)


def take(connection: Connection, values: dict[str, Any]) -> None:
    """Begin the connection's next generation."""
    connection.execute(_TAKE, values)


def put(connection: Connection, values: dict[str, Any]) -> None:
    """Keep which channels the connection has joined and parted from."""
    connection.execute(_PUT, values)


def forget(connection: Connection, before: int, most: int) -> int:
    """Delete connections that are older than the time given in milliseconds, and return how many."""
    return connection.execute(_FORGET, {"before": before, "most": most}).rowcount
