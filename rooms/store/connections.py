"""What Socket.IO clients did to their rooms by themselves, and who holds which connection."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, bindparam, delete, select, text, update

from rooms.store.statements import Row, any_of, fetch_first, tables
from rooms.tables import ConnectionRow

table = tables["connections"]

_BY_ID = select(table).where(table.c.id == bindparam("id"))
_UPSERT = (
    "INSERT INTO connections (id, server_id, principal_id, generation, joined, parted, updated_at)"
    " VALUES (:id, :server_id, :principal_id, :generation, :joined, :parted, :updated_at)"
    " ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at,"
)
_JSON = [bindparam(name, type_=table.c[name].type) for name in ("joined", "parted")]
_CLAIM = text(f"{_UPSERT} generation = connections.generation + 1").bindparams(*_JSON)
_PUT = text(f"{_UPSERT} joined = excluded.joined, parted = excluded.parted").bindparams(*_JSON)

_OLD = select(table.c.id).where(table.c.updated_at < bindparam("before")).limit(bindparam("most"))
_BY_IDS = table.c.id.in_(any_of("ids"))
_TOUCH = update(table).where(_BY_IDS).values(updated_at=bindparam("now"))
_FORGET = delete(table).where(_BY_IDS)


def find(connection: Connection, connection_id: str) -> ConnectionRow | None:
    """Return what is known of the connection."""
    return fetch_first(connection, _BY_ID, ConnectionRow, id=connection_id)


def claim(connection: Connection, row: Row) -> None:
    """Begin the connection's next generation; the row is its first."""
    connection.execute(_CLAIM, row)


def put(connection: Connection, row: Row) -> None:
    """Keep which channels the connection has joined and parted from."""
    connection.execute(_PUT, row)


def list_old(connection: Connection, before: int, most: int) -> list[str]:
    """Return the ids of connections that are older than the time given in milliseconds."""
    return list(connection.execute(_OLD, {"before": before, "most": most}).scalars())


def touch(connection: Connection, connection_ids: Collection[str], now: int) -> None:
    """Make the connections as young as they can be."""
    connection.execute(_TOUCH, {"ids": list(connection_ids), "now": now})


def forget(connection: Connection, connection_ids: Collection[str]) -> None:
    """Delete the connections."""
    connection.execute(_FORGET, {"ids": list(connection_ids)})
