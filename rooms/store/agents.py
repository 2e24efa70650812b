"""What the registry knows of agents, and what keeps them from speaking."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import JSON, Connection, and_, bindparam, case, exists, func, or_, select, text, update

from rooms.principals import Kind
from rooms.response_cache import SETTING
from rooms.rows import Counts, Profile, Seat
from rooms.rules import DEFAULT_SERVER_ID
from rooms.store.statements import any_of, tables

table = tables["agents"]
_guards, _mutes = tables["guards"], tables["mutes"]
_participants, _webhooks = tables["participants"], tables["webhooks"]
_channels, _entities = tables["channels"], tables["entities"]
_added = tables["server_agents"]

_SEATS = (
    select(
        _participants.c.channel_id,
        _participants.c.entity_id,
        func.coalesce(table.c.is_active, True),
        _mutes.c.agent_id.is_not(None),
        _mutes.c.until,
        _webhooks.c.agent_id.is_not(None),
        # Of hardly any agent: reading the settings of all would cost each message more than this.
        case((table.c.settings[SETTING].as_string().is_not(None), table.c.settings)),
        _guards.c.reason,
        func.coalesce(_guards.c.resumed_seq, 0),
    )
    .outerjoin(table, table.c.entity_id == _participants.c.entity_id)
    .outerjoin(
        _mutes,
        and_(
            _mutes.c.channel_id == _participants.c.channel_id,
            _mutes.c.agent_id == _participants.c.entity_id,
        ),
    )
    .outerjoin(_webhooks, _webhooks.c.agent_id == _participants.c.entity_id)
    .outerjoin(_guards, _guards.c.channel_id == _participants.c.channel_id)
    # Word for word the condition of the index.
    .where(
        _participants.c.channel_id.in_(any_of("ids")),
        text("is_agent AND left_seq IS NULL"),
        _participants.c.role != "observer",  # who may not speak is not asked
    )
    .order_by(_participants.c.joined_seq)
)

_PROFILE = (
    select(
        _entities.c.id,
        _entities.c.name,
        _entities.c.handle,
        func.coalesce(table.c.bio, ""),
        func.coalesce(table.c.is_active, True).label("is_active"),
        table.c.capabilities,
        table.c.settings,
        _entities.c.created_at,
        func.coalesce(table.c.updated_at, _entities.c.created_at),
    )
    .outerjoin(table, table.c.entity_id == _entities.c.id)
    .where(_entities.c.kind == Kind.AGENT, table.c.deleted_at.is_(None))
)
_IS_ACTIVE = case((func.coalesce(table.c.is_active, True), 1), else_=0)
_COUNTS = (
    select(func.count(), func.coalesce(func.sum(_IS_ACTIVE), 0))
    .select_from(_entities)
    .outerjoin(table, table.c.entity_id == _entities.c.id)
    .where(_entities.c.kind == Kind.AGENT, table.c.deleted_at.is_(None))
)
_CHARACTER = select(table.c.character).where(table.c.entity_id == bindparam("agent_id"))
_CHANGE = update(table).where(table.c.entity_id == bindparam("agent_id"))
_PLACES = (
    select(_participants.c.channel_id)
    .join(_channels, _channels.c.id == _participants.c.channel_id)
    .where(_participants.c.entity_id == bindparam("agent_id"), _participants.c.left_seq.is_(None))
    .order_by(_channels.c.seq.desc(), _channels.c.id)
)
_LOCK = select(_entities.c.id).where(_entities.c.id == bindparam("agent_id")).with_for_update()
_PUT = text(
    "INSERT INTO agents (entity_id, bio, is_active, capabilities, settings, updated_at)"
    " VALUES (:id, :bio, :is_active, :capabilities, :settings, :now) ON CONFLICT (entity_id) DO UPDATE"
    " SET bio = excluded.bio, is_active = excluded.is_active, capabilities = excluded.capabilities,"
    " settings = excluded.settings, updated_at = excluded.updated_at"
).bindparams(bindparam("capabilities", type_=JSON), bindparam("settings", type_=JSON))


def list_seats(connection: Connection, channel_ids: Collection[str]) -> list[Seat]:
    """Return the agents that take part in the channels, in the order in which they joined."""
    return [Seat._make(row) for row in connection.execute(_SEATS, {"ids": list(channel_ids)})]


def find(connection: Connection, agent_id: str) -> Profile | None:
    """Return the agent, whoever may know of it."""
    found = list_profiles(connection, 1, viewer=None, agent_id=agent_id)
    return found[0] if found else None


def list_profiles(
    connection: Connection,
    limit: int,
    *,
    viewer: str | None,
    server_id: str | None = None,
    agent_id: str | None = None,
) -> list[Profile]:
    """Return agents, the active ones first, then by name.

    With a ``viewer`` only itself, those that take part in a channel that it is in or may join, and those that
    were added to a server that it may see; with a server only those of it.
    """
    statement = _PROFILE
    if agent_id is not None:
        statement = statement.where(_entities.c.id == agent_id)
    if server_id is not None:
        statement = statement.where(or_(_takes_part(viewer, server_id), _was_added(None, server_id)))
    elif viewer is not None:
        known = (_takes_part(viewer, None), _was_added(viewer, None))
        statement = statement.where(or_(_entities.c.id == viewer, *known))
    order = (text("is_active DESC"), _entities.c.name_key, _entities.c.id)
    found = connection.execute(statement.order_by(*order).limit(limit))
    return [_profile(*row) for row in found]


def _takes_part(viewer: str | None, server_id: str | None) -> Any:
    """Return the condition that an agent is in a channel: one of the server, one that the viewer knows."""
    theirs = _participants.alias("theirs")
    where = [theirs.c.entity_id == _entities.c.id, theirs.c.left_seq.is_(None)]
    where += [_channels.c.id == theirs.c.channel_id]
    if server_id is not None:
        where.append(_channels.c.server_id == server_id)
    if viewer is not None:
        own = _participants.alias("own")
        is_in = exists().where(
            own.c.channel_id == theirs.c.channel_id, own.c.entity_id == viewer, own.c.left_seq.is_(None)
        )
        where.append(or_(_channels.c.joinable, is_in))
    return exists().where(*where)


def _was_added(viewer: str | None, server_id: str | None) -> Any:
    """Return the condition that an agent was added to the server, or to one that the viewer may see."""
    where = [_added.c.agent_id == _entities.c.id]
    if server_id is not None:
        where.append(_added.c.server_id == server_id)
    if viewer is not None:
        own = _participants.alias("own")
        homes = (
            select(_channels.c.server_id)
            .join(own, own.c.channel_id == _channels.c.id)
            .where(own.c.entity_id == viewer, own.c.left_seq.is_(None))
        )
        where.append(or_(_added.c.server_id == DEFAULT_SERVER_ID, _added.c.server_id.in_(homes)))
    return exists().where(*where)


def _profile(*values: Any) -> Profile:
    """Return an agent; of one that nobody has described there is no row."""
    found = Profile._make(values)
    return found._replace(
        is_active=bool(found.is_active), capabilities=found.capabilities or [], settings=found.settings or {}
    )


def lock(connection: Connection, agent_id: str) -> None:
    """Let nobody else change the agent before this transaction is over."""
    connection.execute(_LOCK, {"agent_id": agent_id})


def put(connection: Connection, profile: Profile, now: int) -> None:
    """Store what the registry knows of the agent beyond its id, name and handle."""
    names = ("id", "bio", "is_active", "capabilities", "settings")
    connection.execute(_PUT, {name: getattr(profile, name) for name in names} | {"now": now})


def count(connection: Connection) -> Counts:
    """Count the agents."""
    total, active = connection.execute(_COUNTS).one()
    return Counts(total, active)


def find_character(connection: Connection, agent_id: str) -> dict[str, Any]:
    """Return what clients have said of the agent beyond its profile."""
    return connection.execute(_CHARACTER, {"agent_id": agent_id}).scalar() or {}


def put_character(connection: Connection, agent_id: str, character: dict[str, Any]) -> None:
    """Store that of an agent which was described."""
    connection.execute(_CHANGE.values(character=character), {"agent_id": agent_id})


def list_places(connection: Connection, agent_id: str, limit: int | None = None) -> list[str]:
    """Return the ids of the channels that the agent takes part in, the one with the newest event first."""
    return list(connection.execute(_PLACES.limit(limit), {"agent_id": agent_id}).scalars())


def delete(connection: Connection, agent_id: str, now: int) -> None:
    """List an agent that was described no longer."""
    connection.execute(_CHANGE.values(deleted_at=now), {"agent_id": agent_id})


def restore(connection: Connection, agent_id: str) -> None:
    """List the agent again, and have it addressed, if it was deleted."""
    deleted = _CHANGE.where(table.c.deleted_at.is_not(None))
    connection.execute(deleted.values(deleted_at=None, is_active=True), {"agent_id": agent_id})
