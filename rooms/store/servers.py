"""Message servers; each row holds the position of its server's log."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, or_, select, text, update

from rooms.store.statements import Row, any_of, fetch_all, tables
from rooms.tables import Server

table = tables["servers"]
_channels, _participants = tables["channels"], tables["participants"]
_agents = tables["server_agents"]

_LIVING = select(table).where(table.c.deleted_at.is_(None))
_BY_IDS = _LIVING.where(table.c.id.in_(any_of("ids")))
_TAKEN = select(table.c.id).where(table.c.id == bindparam("the_id"))
_ALL = _LIVING.order_by(table.c.created_at, table.c.id)
_OF_ENTITY = _ALL.where(
    or_(
        table.c.id.in_(
            select(_channels.c.server_id)
            .join(_participants, _participants.c.channel_id == _channels.c.id)
            .where(_participants.c.entity_id == bindparam("entity_id"), _participants.c.left_seq.is_(None))
        ),
        table.c.id.in_(select(_agents.c.server_id).where(_agents.c.agent_id == bindparam("entity_id"))),
    )
)
_ADD_AGENT = text(
    "INSERT INTO server_agents (server_id, agent_id, added_at) VALUES (:server_id, :agent_id, :now)"
    " ON CONFLICT (server_id, agent_id) DO NOTHING"
)
_REMOVE_AGENTS = delete(_agents).where(_agents.c.server_id == bindparam("the_server"))
_REMOVE_AGENT = _REMOVE_AGENTS.where(_agents.c.agent_id == bindparam("the_agent"))
_LOCK = (
    select(table.c.id, table.c.epoch, table.c.seq)
    .where(table.c.id.in_(any_of("ids")), table.c.deleted_at.is_(None))
    .order_by(table.c.id)
    .with_for_update()
)


def lock(connection: Connection, server_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Lock the servers' rows in order of id and return each one's epoch and newest seq."""
    if not server_ids:
        return {}
    return {row.id: (row.epoch, row.seq) for row in connection.execute(_LOCK, {"ids": server_ids})}


def find(connection: Connection, server_ids: Collection[str]) -> dict[str, Server]:
    """Return the servers that exist, by id."""
    found = fetch_all(connection, _BY_IDS, Server, ids=list(server_ids))
    return {server.id: server for server in found}


def list_all(connection: Connection) -> list[Server]:
    """Return all servers, the oldest first."""
    return fetch_all(connection, _ALL, Server)


def list_of(connection: Connection, entity_id: str) -> list[Server]:
    """Return the servers in which the entity participates in a channel, or was added to, the oldest first."""
    return fetch_all(connection, _OF_ENTITY, Server, entity_id=entity_id)


def is_taken(connection: Connection, server_id: str) -> bool:
    """Tell whether there is a server of this id, or was one."""
    return connection.execute(_TAKEN, {"the_id": server_id}).first() is not None


def add_agent(connection: Connection, server_id: str, agent_id: str, now: int) -> None:
    """Add an agent to the server, unless it was added before."""
    connection.execute(_ADD_AGENT, {"server_id": server_id, "agent_id": agent_id, "now": now})


def remove_agent(connection: Connection, server_id: str, agent_id: str) -> None:
    """Forget that an agent was added to the server."""
    connection.execute(_REMOVE_AGENT, {"the_server": server_id, "the_agent": agent_id})


def remove_agent_everywhere(connection: Connection, agent_id: str) -> None:
    """Have the agent be added to no server any more."""
    connection.execute(delete(_agents).where(_agents.c.agent_id == agent_id))


def erase(connection: Connection, server_id: str, now: int) -> None:
    """Leave of the server nothing but that it was there."""
    connection.execute(_REMOVE_AGENTS, {"the_server": server_id})
    statement = update(table).where(table.c.id == server_id).values(updated_at=now, deleted_at=now)
    connection.execute(statement.values(name="", source_type="", source_id=None, details={}))


def add(connection: Connection, row: Row) -> None:
    """Add a server."""
    connection.execute(insert(table), row)


def set_epoch(connection: Connection, server_id: str, epoch: int) -> None:
    """Begin another epoch of the server's log."""
    connection.execute(update(table).where(table.c.id == server_id).values(epoch=epoch))


def describe(connection: Connection, server_id: str, name: str, details: dict[str, Any], now: int) -> None:
    """Give a server another name, and other details."""
    changed = {"name": name, "details": details, "updated_at": now}
    connection.execute(update(table).where(table.c.id == server_id).values(changed))
