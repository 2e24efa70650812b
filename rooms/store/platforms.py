"""The platforms on which agents answer."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from rooms.platform_tables import Platform
from rooms.store.statements import Row, fetch_all, fetch_first, tables

table = tables["platforms"]

_BY_ID = select(table).where(table.c.id == bindparam("platform_id"))


def find(connection: Connection, platform_id: str) -> Platform | None:
    """Return the platform, or None."""
    return fetch_first(connection, _BY_ID, Platform, platform_id=platform_id)


def list_page(connection: Connection, agent_id: str | None, before: str | None, limit: int) -> list[Platform]:
    """Return the newest platforms, or the newest before one: all, or those of an agent."""
    statement = select(table)
    if agent_id is not None:
        statement = statement.where(table.c.agent_id == agent_id)
    if before is not None:
        statement = statement.where(table.c.id < before)
    return fetch_all(connection, statement.order_by(table.c.id.desc()).limit(limit), Platform)


def add(connection: Connection, row: Row) -> None:
    """Add a platform."""
    connection.execute(insert(table), row)


def change(connection: Connection, platform_id: str, row: Row) -> None:
    """Store the platform as it is now."""
    connection.execute(update(table).where(table.c.id == platform_id).values(row))


def remove(connection: Connection, platform_id: str) -> None:
    """Forget the platform."""
    connection.execute(delete(table).where(table.c.id == platform_id))


def remove_all(connection: Connection, agent_id: str) -> None:
    """Forget the platforms on which an agent answers."""
    connection.execute(delete(table).where(table.c.agent_id == agent_id))
