"""The secrets of agents and platforms, for whom they may be used, and how they were."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection, and_, bindparam, delete, select, text

from rooms.store.statements import Row, any_of, fetch_all, fetch_first, tables
from rooms.vault_tables import VaultGrant, VaultSecret, VaultUse

table = tables["vault_secrets"]
_grants = tables["vault_grants"]
_uses = tables["vault_uses"]

_BY_NAME = select(table).where(table.c.name == bindparam("name"))
_FOR_AGENT = (
    select(table.c.sealed, _grants.c.agent_id.is_not(None).label("is_granted"))
    .outerjoin(_grants, and_(_grants.c.name == table.c.name, _grants.c.agent_id == bindparam("agent_id")))
    .where(table.c.name == bindparam("name"))
)
_PAGE = (
    select(table).where(table.c.name > bindparam("after")).order_by(table.c.name).limit(bindparam("limit"))
)
_PAGE_OF_AGENT = _PAGE.join(_grants, _grants.c.name == table.c.name).where(
    _grants.c.agent_id == bindparam("agent_id")
)
_GRANTS = select(_grants).where(_grants.c.name.in_(any_of("names"))).order_by(_grants.c.agent_id)
_PUT = text(
    "INSERT INTO vault_secrets (name, sealed, created_at, updated_at)"
    " VALUES (:name, :sealed, :now, :now)"
    " ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at"
)
_GRANT = text(
    "INSERT INTO vault_grants (name, agent_id, granted_by, created_at)"
    " VALUES (:name, :agent_id, :granted_by, :created_at) ON CONFLICT (name, agent_id) DO NOTHING"
)
_NOTE = text(
    "INSERT INTO vault_uses"
    " (id, name, agent_id, purpose, subject, outcome, minute, times, first_at, last_at)"
    " VALUES (:id, :name, :agent_id, :purpose, :subject, :outcome, :minute, :times, :now, :now)"
    " ON CONFLICT (name, agent_id, purpose, subject, outcome, minute)"
    " DO UPDATE SET times = vault_uses.times + excluded.times, last_at = excluded.last_at"
)
_OLD_USES = select(_uses.c.id).where(_uses.c.last_at < bindparam("since")).limit(bindparam("limit"))


class Held(NamedTuple):
    """A secret as it is encrypted, and whether it may be used for the agent that is asked about."""

    sealed: bytes
    is_granted: bool


class UseFilter(NamedTuple):
    """Which uses are looked for: without a name or an agent those of all."""

    name: str | None = None
    agent_id: str | None = None


def find(connection: Connection, name: str) -> VaultSecret | None:
    """Return the secret of that name, or None."""
    return fetch_first(connection, _BY_NAME, VaultSecret, name=name)


def find_held(connection: Connection, name: str, agent_id: str) -> Held | None:
    """Return the secret of that name as an agent may use it, or None."""
    row = connection.execute(_FOR_AGENT, {"name": name, "agent_id": agent_id}).first()
    return None if row is None else Held(row.sealed, bool(row.is_granted))


def list_page(connection: Connection, agent_id: str | None, after: str, limit: int) -> list[VaultSecret]:
    """Return the secrets behind a name, in order of their names: all, or those granted to an agent."""
    if agent_id is None:
        return fetch_all(connection, _PAGE, VaultSecret, after=after, limit=limit)
    values = {"agent_id": agent_id, "after": after, "limit": limit}
    return fetch_all(connection, _PAGE_OF_AGENT, VaultSecret, **values)


def list_grants(connection: Connection, names: Collection[str]) -> list[VaultGrant]:
    """Return for whom the secrets may be used."""
    return fetch_all(connection, _GRANTS, VaultGrant, names=list(names))


def put(connection: Connection, name: str, sealed: bytes, now: int) -> None:
    """Store a secret, in the place of the one of that name if there is one."""
    connection.execute(_PUT, {"name": name, "sealed": sealed, "now": now})


def remove(connection: Connection, name: str) -> None:
    """Forget the secret, and for whom it might be used."""
    connection.execute(delete(_grants).where(_grants.c.name == name))
    connection.execute(delete(table).where(table.c.name == name))


def grant(connection: Connection, row: Row) -> None:
    """Let a secret be used for an agent, if it may not already."""
    connection.execute(_GRANT, row)


def withdraw(connection: Connection, name: str, agent_id: str) -> None:
    """Let a secret be used for an agent no more."""
    same = (_grants.c.name == name, _grants.c.agent_id == agent_id)
    connection.execute(delete(_grants).where(*same))


def withdraw_all(connection: Connection, agent_id: str) -> None:
    """Let no secret be used for an agent any more."""
    connection.execute(delete(_grants).where(_grants.c.agent_id == agent_id))


def note(connection: Connection, row: Row) -> None:
    """Count uses with those of the same minute that were alike."""
    connection.execute(_NOTE, row)


def list_uses(connection: Connection, wanted: UseFilter, before: str | None, limit: int) -> list[VaultUse]:
    """Return the newest uses, or the newest before one."""
    statement = select(_uses)
    if wanted.name is not None:
        statement = statement.where(_uses.c.name == wanted.name)
    if wanted.agent_id is not None:
        statement = statement.where(_uses.c.agent_id == wanted.agent_id)
    if before is not None:
        statement = statement.where(_uses.c.id < before)
    return fetch_all(connection, statement.order_by(_uses.c.id.desc()).limit(limit), VaultUse)


def list_old_uses(connection: Connection, since: int, limit: int) -> list[str]:
    """Return the ids of uses that were over before a time."""
    return list(connection.execute(_OLD_USES, {"since": since, "limit": limit}).scalars())


def forget_uses(connection: Connection, use_ids: Collection[str]) -> None:
    """Forget uses."""
    connection.execute(delete(_uses).where(_uses.c.id.in_(list(use_ids))))
