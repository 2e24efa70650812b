"""Messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, Select, and_, bindparam, false, func, insert, or_, select, text, update

from rooms.rows import AGENT_ACTION, Interval, Line, Message, Window
from rooms.store import approvals
from rooms.store.statements import Bulk, any_of, tables

table = tables["messages"]
_entities = tables["entities"]
_servers, _events = tables["servers"], tables["events"]

# What an agent does before it answers is no turn of a conversation.
_IS_SAID = table.c.source_type != AGENT_ACTION
# The author's name comes from the registry, nothing is stored as deleted, and approvals have their own table.
_COLUMNS = Message._fields[:-3]
_MESSAGE = (
    select(
        *(table.c[name] for name in _COLUMNS),
        _entities.c.name,
        table.c.deleted_at,
        approvals.table.c.id.label("approval_id"),
    )
    .join(_entities, _entities.c.id == table.c.author_id)
    .outerjoin(approvals.table, approvals.table.c.id == table.c.id)
)
_BY_IDS = _MESSAGE.where(table.c.id.in_(any_of("ids")))
_INSERT = Bulk(insert(table), _COLUMNS)
_CHANGE = update(table).where(table.c.id == bindparam("the_id"))
_ERASE = (
    update(table)
    .where(table.c.id.in_(any_of("ids")))
    .values(
        content="",
        raw_message={},
        details={},
        attachments=[],
        mentions=[],
        updated_at=bindparam("now"),
        deleted_at=bindparam("now"),
    )
)
_LEFT = (
    _MESSAGE.where(
        table.c.channel_id == bindparam("channel_id"),
        table.c.seq > bindparam("after"),
        table.c.seq <= bindparam("until"),
        table.c.deleted_at.is_(None),
    )
    .order_by(table.c.seq)
    .limit(bindparam("limit"))
)
_COUNT_REPLIES = Bulk(
    update(table)
    .where(table.c.id == bindparam("the_id"))
    .values(reply_count=table.c.reply_count + bindparam("more")),
    ["more", "the_id"],
)
_NEWEST = (
    select(*(table.c[name] for name in Line._fields))
    .where(table.c.channel_id == bindparam("channel_id"), table.c.seq > bindparam("after_seq"), _IS_SAID)
    .order_by(table.c.seq.desc())
    .limit(bindparam("limit"))
)
_BY_AGENTS = (
    select(table.c.author_id, func.count())
    .where(
        table.c.channel_id == bindparam("channel_id"),
        table.c.created_at > bindparam("since"),
        table.c.seq > bindparam("after_seq"),
        _IS_SAID,
        text("messages.by_agent"),  # word for word the condition of the index
    )
    .group_by(table.c.author_id)
)
_CHANGEABLE = ("content", "raw_message", "details", "attachments", "mentions", "updated_at", "deleted_at")


def find(connection: Connection, message_ids: Collection[str]) -> dict[str, Message]:
    """Return the messages that exist, by id; of one that was deleted, what is left."""
    found = _fetch(connection, _BY_IDS, {"ids": list(message_ids)})
    return {message.id: message for message in found}


def _fetch(connection: Connection, statement: Select[Any], values: dict[str, Any]) -> list[Message]:
    rows = connection.execute(statement, values).all()
    asking = [row.approval_id for row in rows if row.approval_id is not None]
    if not asking:
        return [Message._make(row) for row in rows]
    asked = approvals.find(connection, asking)
    return [Message._make([*row[:-1], asked.get(row.id)]) for row in rows]


def add(connection: Connection, messages: Sequence[Message]) -> None:
    """Store the messages."""
    _INSERT(connection, [_row(message) for message in messages])


def _row(message: Message) -> tuple[Any, ...]:
    *fields, raw_message, details, attachments, mentions, replies, created_at, updated_at, _, _, _ = message
    documents = [_json(raw_message), _json(details), _json(attachments), _json(mentions)]
    return (*fields, *documents, replies, created_at, updated_at)


def _json(document: object) -> str:
    return orjson.dumps(document).decode()


def change(connection: Connection, message: Message) -> None:
    """Store what the message says now, and since when; or that it was deleted."""
    now = {name: getattr(message, name) for name in _CHANGEABLE}
    connection.execute(_CHANGE, {"the_id": message.id, **now})


def erase(connection: Connection, message_ids: Collection[str], now: int) -> None:
    """Leave of the messages nothing but that they were there."""
    connection.execute(_ERASE, {"ids": list(message_ids), "now": now})


def list_left(
    connection: Connection, channel_id: str, after: int, until: int, limit: int
) -> Sequence[Message]:
    """Return the oldest messages of the channel after a seq, up to another, that were not deleted."""
    values = {"channel_id": channel_id, "after": after, "until": until, "limit": limit}
    return _fetch(connection, _LEFT, values)


def count_replies(connection: Connection, messages: Sequence[Message], more: int) -> None:
    """Count replies, or with -1 count them no longer, where their threads begin."""
    counts = Counter(message.root_id for message in messages if message.root_id is not None)
    if counts:
        _COUNT_REPLIES(connection, [(more * count, root_id) for root_id, count in sorted(counts.items())])


def list_page(
    connection: Connection, channel_id: str, visible: Sequence[Interval], window: Window
) -> list[Message]:
    """Return a page of what is visible of the channel, in order of seq."""
    return _list(connection, table.c.channel_id == channel_id, visible, window)


def list_thread(
    connection: Connection, root_id: str, visible: Sequence[Interval], window: Window
) -> list[Message]:
    """Return a page of what is visible of the answers in a thread, in order of seq."""
    return _list(connection, table.c.root_id == root_id, visible, window)


def _list(connection: Connection, place: Any, visible: Sequence[Interval], window: Window) -> list[Message]:
    created, seq = table.c.created_at, table.c.seq
    where = [place, table.c.deleted_at.is_(None), _within(visible)]
    where += [
        column > least
        for column, least in ((created, window.after), (seq, window.after_seq))
        if least is not None
    ]
    where += [
        column < most
        for column, most in ((created, window.before), (seq, window.before_seq))
        if most is not None
    ]
    order = seq.asc() if window.from_the_beginning else seq.desc()
    statement = _MESSAGE.where(*where).order_by(order).limit(window.limit).offset(window.offset or 0)
    page = _fetch(connection, statement, {})
    return page if window.from_the_beginning else page[::-1]


def count(connection: Connection, channel_id: str, visible: Sequence[Interval]) -> int:
    """Count what is visible of the channel."""
    return _count(connection, table.c.channel_id == channel_id, visible)


def count_thread(connection: Connection, root_id: str, visible: Sequence[Interval]) -> int:
    """Count what is visible of the answers in a thread."""
    return _count(connection, table.c.root_id == root_id, visible)


def _count(connection: Connection, place: Any, visible: Sequence[Interval]) -> int:
    where = and_(place, table.c.deleted_at.is_(None), _within(visible))
    return connection.execute(select(func.count()).select_from(table).where(where)).scalar_one()


def list_newest(connection: Connection, channel_id: str, after_seq: int, limit: int) -> list[Line]:
    """Return what was said last in the channel behind an event, the newest last."""
    values = {"channel_id": channel_id, "after_seq": after_seq, "limit": limit}
    return [Line._make(row) for row in connection.execute(_NEWEST, values)][::-1]


def count_by_agents(connection: Connection, channel_id: str, *, since: int, after_seq: int) -> Counter[str]:
    """Count what each agent has said in the channel since a time, behind an event."""
    values = {"channel_id": channel_id, "since": since, "after_seq": after_seq}
    return Counter({row.author_id: row[1] for row in connection.execute(_BY_AGENTS, values)})


def count_unlogged(connection: Connection) -> dict[str, int]:
    """Count, by server, the messages whose event should be in the log and is not."""
    logged = select(_events.c.seq).where(
        _events.c.server_id == table.c.server_id,
        _events.c.seq == table.c.seq,
        _events.c.message_id == table.c.id,
    )
    statement = (
        select(table.c.server_id, func.count().label("unlogged"))
        .join(_servers, _servers.c.id == table.c.server_id)
        .where(table.c.seq > _servers.c.floor_seq, ~logged.exists())
        .group_by(table.c.server_id)
    )
    return {row.server_id: row.unlogged for row in connection.execute(statement)}


def _within(visible: Sequence[Interval]) -> Any:
    seq = table.c.seq
    stretches = (seq >= first if end is None else and_(seq >= first, seq < end) for first, end in visible)
    return or_(false(), *stretches)  # without a stretch: nothing, not everything
