"""Runs: agents' processing of messages."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    update,
)

from rooms.ids import first_id_at
from rooms.rows import Run
from rooms.store.statements import any_of, tables

table = tables["runs"]
_channels, _messages, _participants = tables["channels"], tables["messages"], tables["participants"]
_deliveries = tables["deliveries"]

_RUN = select(*(table.c[name] for name in Run._fields))
_OF_LIVING = _RUN.where(
    ~exists().where(_channels.c.id == table.c.channel_id, _channels.c.deleted_at.is_not(None))
)
_BY_IDS = _RUN.where(table.c.id.in_(any_of("ids")))
_BY_REPLIES = _RUN.where(table.c.reply_id.in_(any_of("ids")))
_OF_MESSAGES = _RUN.where(table.c.message_id.in_(any_of("ids"))).order_by(table.c.id)
# Word for word the condition of the indexes.
_OPEN = _RUN.where(text("runs.due_at IS NOT NULL")).order_by(table.c.id)
_OPEN_OF_MESSAGES = _OPEN.where(table.c.message_id.in_(any_of("ids")))
_OPEN_OF_AGENT = _OPEN.where(
    table.c.agent_id == bindparam("agent_id"), table.c.channel_id == bindparam("channel_id")
)
_STREAMING = _OPEN.where(table.c.state == "streaming")
_UNTAKEN = (
    _OPEN_OF_AGENT.where(table.c.fence == 0)
    .order_by(None)
    .order_by(table.c.hops > 1, table.c.id)
    .limit(bindparam("limit"))
)
_ASKED = _RUN.where(
    table.c.prompt_key == bindparam("prompt_key"),
    text("prompt_key IS NOT NULL"),  # word for word the condition of the index
    table.c.awaits.is_(None),
    or_(
        text("due_at IS NOT NULL"),
        and_(table.c.state == "completed", table.c.updated_at >= bindparam("ended_since")),
    ),
).limit(1)
_awaited = table.alias("awaited")
_AWAITING = (
    _RUN.outerjoin(_awaited, _awaited.c.id == table.c.awaits)
    .where(
        text("runs.awaits IS NOT NULL AND runs.due_at IS NOT NULL"),  # word for word that of the index
        _awaited.c.due_at.is_(None),
    )
    .order_by(table.c.id)
    .limit(bindparam("limit"))
)
_OLDEST_QUEUED = select(func.min(table.c.seq)).where(
    text("runs.due_at IS NOT NULL"),
    table.c.server_id == bindparam("server_id"),
    table.c.agent_id == bindparam("agent_id"),
    table.c.state == "queued",
)
_DUE = (
    select(table.c.id, table.c.server_id, table.c.agent_id)
    .where(table.c.due_at <= bindparam("now"))
    .order_by(table.c.due_at)
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_FOR = (
    _RUN.add_columns(_messages.c.content)
    .join(_messages, _messages.c.id == table.c.message_id)
    .where(
        table.c.agent_id == bindparam("agent_id"),
        table.c.channel_id == bindparam("channel_id"),
        table.c.user_id == bindparam("user_id"),
    )
    .order_by(table.c.id.desc())
    .limit(bindparam("limit"))
)
_ADDRESSED = (
    select(table.c.agent_id, func.count())
    .join(_messages, _messages.c.id == table.c.message_id)
    .where(
        _messages.c.channel_id == bindparam("channel_id"),
        _messages.c.created_at > bindparam("since"),
        _messages.c.seq > bindparam("after_seq"),
        text("messages.by_agent"),  # word for word the condition of the index
        _messages.c.author_id == bindparam("author_id"),
        _messages.c.hops > 1,
        func.coalesce(table.c.reason, "").not_in(any_of("refusals")),
    )
    .group_by(table.c.agent_id)
)
_OLD = (
    select(table.c.id)
    .where(
        table.c.id < bindparam("first_kept"),
        table.c.due_at.is_(None),
        table.c.updated_at < bindparam("since"),
        ~exists().where(_deliveries.c.run_id == table.c.id),
    )
    .order_by(table.c.id)
    .limit(bindparam("limit"))
)
_CHANGEABLE = (
    "told_at",
    "reply_id",
    "state",
    "reason",
    "holder",
    "fence",
    "partial",
    "chunks",
    "started_at",
    "updated_at",
    "due_at",
    "waiting_since",
    "prompt_key",
    "awaits",
)
_CHANGE = (
    update(table)
    .where(table.c.id == bindparam("the_id"))
    .values({name: bindparam(f"new_{name}") for name in _CHANGEABLE})
)


def find(connection: Connection, run_ids: Collection[str]) -> dict[str, Run]:
    """Return the runs that exist, by id."""
    return {run.id: run for run in _fetch(connection, _BY_IDS, ids=list(run_ids))}


def find_by_replies(connection: Connection, reply_ids: Collection[str]) -> dict[str, Run]:
    """Return the runs whose replies will have, or have, these ids, by them."""
    return {run.reply_id: run for run in _fetch(connection, _BY_REPLIES, ids=list(reply_ids))}


def list_of_messages(connection: Connection, message_ids: Collection[str]) -> list[Run]:
    """Return the runs that messages opened, in order of their opening."""
    return _fetch(connection, _OF_MESSAGES, ids=list(message_ids))


def list_open_of_messages(connection: Connection, message_ids: Collection[str]) -> list[Run]:
    """Return the open runs that the messages have opened, the oldest first."""
    return _fetch(connection, _OPEN_OF_MESSAGES, ids=list(message_ids))


def list_open(connection: Connection, agent_id: str, channel_id: str) -> list[Run]:
    """Return the open runs of an agent in a channel, the oldest first."""
    return _fetch(connection, _OPEN_OF_AGENT, agent_id=agent_id, channel_id=channel_id)


def list_untaken(connection: Connection, agent_id: str, channel_id: str, limit: int) -> list[Run]:
    """Return open runs of an agent in a channel that none of its processes has taken.

    Those for people come before those for agents, and then the oldest.
    """
    return _fetch(connection, _UNTAKEN, agent_id=agent_id, channel_id=channel_id, limit=limit)


def find_asked(connection: Connection, prompt_key: bytes, ended_since: int | None = None) -> Run | None:
    """Return the open run by which an agent is asked a prompt, or one that it has answered since a time."""
    found = _fetch(connection, _ASKED, prompt_key=prompt_key, ended_since=ended_since)
    return next(iter(found), None)


def list_awaiting(connection: Connection, limit: int) -> list[Run]:
    """Return open runs that await one which is over, the oldest first."""
    return _fetch(connection, _AWAITING, limit=limit)


def find_oldest_queued(connection: Connection, server_id: str, agent_id: str) -> int | None:
    """Return the seq of the event that opened the oldest run which waits for the agent, if one does."""
    values = {"server_id": server_id, "agent_id": agent_id}
    return connection.execute(_OLDEST_QUEUED, values).scalar()


def list_for(
    connection: Connection, agent_id: str, channel_id: str, user_id: str, limit: int
) -> list[tuple[Run, str]]:
    """Return the newest runs of an agent in a channel for one author, each with what the author said."""
    values = {"agent_id": agent_id, "channel_id": channel_id, "user_id": user_id, "limit": limit}
    return [(Run._make(row[:-1]), row.content) for row in connection.execute(_FOR, values)]


def list_streaming(connection: Connection) -> list[Run]:
    """Return the open runs whose replies are being streamed, the oldest first."""
    return _fetch(connection, _STREAMING)


def count_addressed(
    connection: Connection,
    channel_id: str,
    author_id: str,
    *,
    since: int,
    after_seq: int,
    refusals: Collection[str],
) -> dict[str, int]:
    """Count, by agent, the runs that another has opened since a time, behind an event, by answering agents.

    Runs that were refused for one of the reasons do not count.
    """
    values = {
        "channel_id": channel_id,
        "author_id": author_id,
        "since": since,
        "after_seq": after_seq,
        "refusals": list(refusals),
    }
    return {row.agent_id: row[1] for row in connection.execute(_ADDRESSED, values)}


def list_due(connection: Connection, now: int, limit: int, offset: int) -> list[tuple[str, str, str]]:
    """Return ids, servers and agents of the runs that have to be looked at, the most urgent first."""
    values = {"now": now, "limit": limit, "offset": offset}
    return [tuple(row) for row in connection.execute(_DUE, values)]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs are meant: those of channels, of an agent, in some states, opened within some time.

    None are of a channel that was deleted: it is as one that never was.
    With a ``viewer`` only those of the channels that it takes part in, since it may read what is said there.
    Times are epoch milliseconds, and are included.
    """

    channel_ids: Collection[str] | None = None
    agent_id: str | None = None
    states: Collection[str] = ()
    since: int | None = None
    until: int | None = None
    viewer: str | None = None


def list_page(connection: Connection, wanted: Wanted, *, before: str | None, limit: int) -> list[Run]:
    """Return the newest of the runs, or the newest before one."""
    statement = _select(wanted)
    if before is not None:
        statement = statement.where(table.c.id < before)
    return _fetch(connection, statement.order_by(table.c.id.desc()).limit(limit))


def count(connection: Connection, wanted: Wanted) -> int:
    """Count the runs."""
    statement = select(func.count()).select_from(_select(wanted).subquery())
    return connection.execute(statement).scalar_one()


def _select(wanted: Wanted) -> Select[tuple[object, ...]]:
    where: list[ColumnElement[bool]] = []
    if wanted.channel_ids is not None:
        where.append(table.c.channel_id.in_(wanted.channel_ids))
    if wanted.agent_id is not None:
        where.append(table.c.agent_id == wanted.agent_id)
    if wanted.states:
        where.append(table.c.state.in_(wanted.states))
    if wanted.since is not None:
        where.append(table.c.created_at >= wanted.since)
    if wanted.until is not None:
        where.append(table.c.created_at <= wanted.until)
    return (_OF_LIVING if wanted.viewer is None else _shown_to(wanted.viewer)).where(*where)


def _shown_to(viewer: str) -> Select[tuple[object, ...]]:
    return (
        _RUN.join(_participants, _participants.c.channel_id == table.c.channel_id)
        .join(_channels, _channels.c.id == table.c.channel_id)
        .where(
            _participants.c.entity_id == viewer,
            _participants.c.left_seq.is_(None),
            or_(_channels.c.earlier_history, _participants.c.joined_seq <= table.c.seq),
        )
    )


def add(connection: Connection, runs: Sequence[Run]) -> None:
    """Store new runs."""
    if runs:
        connection.execute(insert(table), [run._asdict() for run in runs])


def change(connection: Connection, run: Run) -> None:
    """Store how the run stands now."""
    now = {f"new_{name}": getattr(run, name) for name in _CHANGEABLE}
    connection.execute(_CHANGE, {"the_id": run.id, **now})


def list_old(connection: Connection, since: int, limit: int) -> list[str]:
    """Return the oldest runs that were over before a time, and of which there is no delivery."""
    values = {"first_kept": first_id_at(since), "since": since, "limit": limit}
    return list(connection.execute(_OLD, values).scalars())


def remove(connection: Connection, run_ids: Collection[str]) -> None:
    """Forget runs."""
    connection.execute(delete(table).where(table.c.id.in_(list(run_ids))))


def _fetch(connection: Connection, statement: Select[tuple[object, ...]], **values: object) -> list[Run]:
    return [Run._make(row) for row in connection.execute(statement, values)]
