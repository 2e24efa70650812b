"""Where agents want their runs sent."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, select, text

from rooms.run_tables import Webhook
from rooms.store.statements import Row, fetch_first, tables

table = tables["webhooks"]

_OF_AGENT = select(table).where(table.c.agent_id == bindparam("agent_id"))
_PUT = text(
    "INSERT INTO webhooks (agent_id, url, created_at) VALUES (:agent_id, :url, :created_at)"
    " ON CONFLICT (agent_id) DO UPDATE SET url = excluded.url, created_at = excluded.created_at"
)


def find(connection: Connection, agent_id: str) -> Webhook | None:
    """Return the agent's webhook, or None."""
    return fetch_first(connection, _OF_AGENT, Webhook, agent_id=agent_id)


def put(connection: Connection, row: Row) -> None:
    """Store a webhook in the place of the one that its agent had."""
    connection.execute(_PUT, row)


def remove(connection: Connection, agent_id: str) -> None:
    """Forget the agent's webhook."""
    connection.execute(delete(table).where(table.c.agent_id == agent_id))
