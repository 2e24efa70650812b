"""Jobs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from rooms.job_status import OPEN, Status
from rooms.rows import Job, Tally
from rooms.store.statements import any_of, tables

table = tables["jobs"]

_JOB = select(*(table.c[name] for name in Job._fields))
_BY_IDS = _JOB.where(table.c.id.in_(any_of("ids")))
_IS_LATE = and_(table.c.state == OPEN, table.c.expires_at <= bindparam("now"))
_TALLIES = select(
    table.c.state,
    func.count(),
    func.sum(case((table.c.expires_at <= bindparam("now"), 1), else_=0)),
    func.avg(table.c.ended_at - table.c.created_at),
).group_by(table.c.state)
_END = (
    update(table)
    .where(
        table.c.channel_id == bindparam("the_channel_id"),
        table.c.state == OPEN,
        table.c.expires_at > bindparam("now"),
    )
    .values(
        state=bindparam("new_state"),
        reason=bindparam("new_reason"),
        reply_id=bindparam("new_reply_id"),
        ended_at=bindparam("now"),
    )
)
_NEWEST_KEPT = (
    select(table.c.created_at)
    .order_by(table.c.created_at.desc(), table.c.id.desc())
    .limit(1)
    .offset(bindparam("kept"))
    .scalar_subquery()
)
_OLD = (
    select(table.c.id)
    .where(
        or_(
            table.c.expires_at < bindparam("since"),
            and_(table.c.created_at <= _NEWEST_KEPT, or_(table.c.state != OPEN, _IS_LATE)),
        )
    )
    .limit(bindparam("limit"))
)


def find(connection: Connection, job_ids: Collection[str]) -> dict[str, Job]:
    """Return the jobs that exist, by id."""
    found = connection.execute(_BY_IDS, {"ids": list(job_ids)})
    return {row.id: Job._make(row) for row in found}


def list_page(
    connection: Connection, user_id: str | None, status: Status | None, now: int, limit: int
) -> list[Job]:
    """Return the newest jobs, the newest first: of a user or of all, with a status or with any."""
    newest = _where(_JOB, user_id, status, now).order_by(table.c.created_at.desc(), table.c.id.desc())
    return [Job._make(row) for row in connection.execute(newest.limit(limit))]


def count(connection: Connection, user_id: str | None, status: Status | None, now: int) -> int:
    """Count the jobs."""
    counted = _where(select(func.count()).select_from(table), user_id, status, now)
    jobs: int = connection.execute(counted).scalar_one()
    return jobs


def _where(statement: Select[Any], user_id: str | None, status: Status | None, now: int) -> Select[Any]:
    if user_id is not None:
        statement = statement.where(table.c.user_id == user_id)
    if status in (Status.TIMEOUT, Status.PROCESSING):
        is_late = table.c.expires_at <= now
        statement = statement.where(table.c.state == OPEN, is_late if status == Status.TIMEOUT else ~is_late)
    elif status is not None:
        statement = statement.where(table.c.state == status)
    return statement


def tally(connection: Connection, now: int) -> list[Tally]:
    """Count the jobs by their states, and those whose time is over; say how long they took on average."""
    found = connection.execute(_TALLIES, {"now": now})
    return [Tally(state, jobs, late, float(took or 0)) for state, jobs, late, took in found]


def add(connection: Connection, job: Job) -> None:
    """Store a job."""
    connection.execute(insert(table), job._asdict())


def end(
    connection: Connection,
    channel_id: str,
    now: int,
    state: str,
    *,
    reason: str | None = None,
    reply_id: str | None = None,
) -> None:
    """Note what has become of the channel's job, if it has one that is open, and not too late."""
    values = {"new_state": state, "new_reason": reason, "new_reply_id": reply_id, "now": now}
    connection.execute(_END, {"the_channel_id": channel_id, **values})


def list_old(connection: Connection, since: int, now: int, kept: int, limit: int) -> list[str]:
    """Return ids of jobs whose time was over before a time, or that are over and not among the newest."""
    values = {"since": since, "now": now, "kept": kept, "limit": limit}
    return list(connection.execute(_OLD, values).scalars())


def remove(connection: Connection, job_ids: Collection[str]) -> None:
    """Forget jobs."""
    connection.execute(delete(table).where(table.c.id.in_(list(job_ids))))


def forget(connection: Connection, channel_id: str) -> None:
    """Forget the job that the channel belongs to."""
    connection.execute(delete(table).where(table.c.channel_id == channel_id))
