"""Sessions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from rooms.rows import Session
from rooms.store.statements import Bulk, any_of, tables

table = tables["sessions"]

_SESSION = select(*(table.c[name] for name in Session._fields))
_BY_IDS = _SESSION.where(table.c.id.in_(any_of("ids")))
# Word for word the condition of the index.
_DUE = (
    _SESSION.where(text("sessions.due_at IS NOT NULL"), table.c.due_at <= bindparam("now"))
    .order_by(table.c.due_at)
    .limit(bindparam("limit"))
)
_CLAIM_DUE = _DUE.with_for_update(skip_locked=True)
_LIVE = table.c.expires_at > bindparam("now")
_NEAR = and_(_LIVE, table.c.expires_at - bindparam("now") <= table.c.warning_ms)
_COUNT_LIVE = select(func.count(), func.coalesce(func.sum(case((_NEAR, 1), else_=0)), 0)).where(_LIVE)
_OLD = (
    select(table.c.id)
    .where(table.c.expires_at < bindparam("since"))
    .order_by(table.c.expires_at)
    .limit(bindparam("limit"))
)
_CHANGEABLE = (
    "timeout_ms",
    "auto_renew",
    "duration_ms",
    "warning_ms",
    "renewals",
    "active_at",
    "beat_at",
    "base_at",
    "expires_at",
    "due_at",
)
_CHANGE = Bulk(
    update(table)
    .where(table.c.id == bindparam("the_id"))
    .values({name: bindparam(f"new_{name}", type_=table.c[name].type) for name in _CHANGEABLE}),
    [*(f"new_{name}" for name in _CHANGEABLE), "the_id"],
)


class Filter(NamedTuple):
    """Which sessions are looked for: without a user those of all users, without an agent with all."""

    user_id: str | None
    agent_id: str | None
    is_live: bool | None


def find(connection: Connection, session_ids: Collection[str]) -> dict[str, Session]:
    """Return the sessions that exist, by id."""
    found = connection.execute(_BY_IDS, {"ids": list(session_ids)})
    return {row.id: Session._make(row) for row in found}


def list_page(
    connection: Connection, wanted: Filter, now: int, *, before: str | None, limit: int
) -> list[Session]:
    """Return the newest of the sessions, the newest first."""
    where = _conditions(wanted, now)
    if before is not None:
        where.append(table.c.id < before)
    statement = _SESSION.where(*where).order_by(table.c.id.desc()).limit(limit)
    return [Session._make(row) for row in connection.execute(statement)]


def count(connection: Connection, wanted: Filter, now: int) -> int:
    """Count the sessions."""
    statement = select(func.count()).select_from(table).where(*_conditions(wanted, now))
    return connection.execute(statement).scalar_one()


def _conditions(wanted: Filter, now: int) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if wanted.user_id is not None:
        where.append(table.c.user_id == wanted.user_id)
    if wanted.agent_id is not None:
        where.append(table.c.agent_id == wanted.agent_id)
    if wanted.is_live is not None:
        where.append(table.c.expires_at > now if wanted.is_live else table.c.expires_at <= now)
    return where


def count_live(connection: Connection, now: int) -> tuple[int, int]:
    """Count the sessions that have not ended, and those of them that are about to."""
    live, near = connection.execute(_COUNT_LIVE, {"now": now}).one()
    return live, near


def list_due(connection: Connection, now: int, limit: int) -> list[Session]:
    """Return the sessions of which something is to be announced, what is due longest first."""
    return [Session._make(row) for row in connection.execute(_DUE, {"now": now, "limit": limit})]


def claim_due(connection: Connection, now: int, limit: int) -> list[Session]:
    """Return the same, but for those of which another node is about to announce it."""
    return [Session._make(row) for row in connection.execute(_CLAIM_DUE, {"now": now, "limit": limit})]


def list_old(connection: Connection, since: int, limit: int) -> list[str]:
    """Return the ids of sessions that ended before a time."""
    return list(connection.execute(_OLD, {"since": since, "limit": limit}).scalars())


def add(connection: Connection, session: Session) -> None:
    """Store a session."""
    connection.execute(insert(table), session._asdict())


def change(connection: Connection, sessions: Sequence[Session]) -> None:
    """Store the sessions as they are now."""
    if sessions:
        _CHANGE(connection, [_row(session) for session in sessions])


def _row(session: Session) -> tuple[Any, ...]:
    return (*(getattr(session, name) for name in _CHANGEABLE), session.id)


def remove(connection: Connection, session_ids: Collection[str]) -> None:
    """Forget sessions."""
    connection.execute(delete(table).where(table.c.id.in_(list(session_ids))))
