"""The secrets that sign what the server hands out."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from rooms.store.statements import Row, fetch_first, tables
from rooms.tables import Secret

table = tables["secrets"]

_NEWEST = select(table).order_by(table.c.id.desc()).limit(1)


def find_newest(connection: Connection) -> Secret | None:
    """Return the newest secret, or None."""
    return fetch_first(connection, _NEWEST, Secret)


def add(connection: Connection, row: Row) -> None:
    """Add a secret."""
    connection.execute(insert(table), row)
