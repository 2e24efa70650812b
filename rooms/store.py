"""Every SQL statement, as a function of a connection; no rule of the domain stands here.

Rows read like the table classes of :mod:`rooms.tables`, whose columns they carry as attributes.
Functions take and return lists where a batch has a use for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, TypeVar, cast

from sqlalchemy import (
    Connection,
    Select,
    and_,
    bindparam,
    delete,
    false,
    func,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlmodel import SQLModel

from rooms.publishing import Event
from rooms.rows import Attendance, Interval, LogSummary, Message, Window
from rooms.tables import ApiKey, Channel, Entity, IdempotencyRecord, Participant, Secret, Server, SignInCode

R = TypeVar("R")
Row = dict[str, Any]

_table = SQLModel.metadata.tables
servers, channels, entities = _table["servers"], _table["channels"], _table["entities"]
participants, messages, events = _table["participants"], _table["messages"], _table["events"]
idempotency, keys = _table["idempotency"], _table["keys"]
sign_in_codes, secrets = _table["sign_in_codes"], _table["secrets"]


def _all(connection: Connection, statement: Select[Any], row: type[R], *values: Any) -> list[R]:
    return cast(list[R], connection.execute(statement, *values).all())


def _first(connection: Connection, statement: Select[Any], row: type[R]) -> R | None:
    return cast(R | None, connection.execute(statement).first())


# Servers and their logs


def lock_servers(connection: Connection, server_ids: Sequence[str]) -> dict[str, int]:
    """Lock the servers' rows in order of id and return each one's newest seq."""
    if not server_ids:
        return {}
    statement = select(servers.c.id, servers.c.seq).where(servers.c.id.in_(server_ids))
    return {row.id: row.seq for row in connection.execute(statement.order_by(servers.c.id).with_for_update())}


def find_server(connection: Connection, server_id: str) -> Server | None:
    """Return the server, or None."""
    return _first(connection, select(servers).where(servers.c.id == server_id), Server)


def list_servers(connection: Connection) -> list[Server]:
    """Return all servers, the oldest first."""
    return _all(connection, select(servers).order_by(servers.c.created_at, servers.c.id), Server)


def list_servers_of(connection: Connection, entity_id: str) -> list[Server]:
    """Return the servers in which the entity participates in a channel, the oldest first."""
    own = (
        select(channels.c.server_id)
        .join(participants, participants.c.channel_id == channels.c.id)
        .where(participants.c.entity_id == entity_id, participants.c.left_seq.is_(None))
    )
    order = (servers.c.created_at, servers.c.id)
    return _all(connection, select(servers).where(servers.c.id.in_(own)).order_by(*order), Server)


def insert_server(connection: Connection, row: Row) -> None:
    """Add a server."""
    connection.execute(insert(servers), row)


def insert_events(connection: Connection, added: Sequence[Event], now: int) -> None:
    """Append the events to their logs."""
    rows = [
        {
            "server_id": event.server_id,
            "seq": event.seq,
            "channel_id": event.channel_id,
            "kind": event.kind,
            "message_id": event.message_id,
            "created_at": now,
            "payload": event.encoded,
        }
        for event in added
    ]
    connection.execute(insert(events), rows)


_ADVANCE_SERVER = (
    update(servers)
    .where(servers.c.id == bindparam("the_id"))
    .values(seq=bindparam("at"), updated_at=bindparam("now"))
)
_ADVANCE_CHANNEL = (
    update(channels)
    .where(channels.c.id == bindparam("the_id"))
    .values(seq=bindparam("at"), message_count=channels.c.message_count + bindparam("more"))
)


def advance(connection: Connection, added: Sequence[Event], now: int) -> None:
    """Move servers and channels on to their newest event, and count the messages."""
    server_seqs = {event.server_id: event.seq for event in added}
    channel_seqs = {event.channel_id: event.seq for event in added}
    counts = Counter(event.channel_id for event in added if event.kind == "message")
    connection.execute(
        _ADVANCE_SERVER, [{"the_id": key, "at": seq, "now": now} for key, seq in server_seqs.items()]
    )
    connection.execute(
        _ADVANCE_CHANNEL,
        [{"the_id": key, "at": seq, "more": counts[key]} for key, seq in channel_seqs.items()],
    )


def has_event(connection: Connection, event: Event) -> bool:
    """Tell whether the log holds exactly this event."""
    statement = select(events.c.payload).where(
        events.c.server_id == event.server_id, events.c.seq == event.seq
    )
    return connection.execute(statement).scalar() == event.encoded


def summarise_logs(connection: Connection) -> list[LogSummary]:
    """Return a summary of each server's log; a whole log has ``held == last == server_seq``."""
    lost = and_(events.c.message_id.is_not(None), messages.c.id.is_(None))
    statement = (
        select(
            servers.c.id,
            servers.c.seq,
            func.count(events.c.seq),
            func.min(events.c.seq),
            func.max(events.c.seq),
            func.count(events.c.seq).filter(lost),
        )
        .outerjoin(events, events.c.server_id == servers.c.id)
        .outerjoin(messages, messages.c.id == events.c.message_id)
        .group_by(servers.c.id, servers.c.seq)
        .order_by(servers.c.id)
    )
    return [LogSummary(*row) for row in connection.execute(statement)]


# Channels


def find_channels(connection: Connection, channel_ids: Collection[str]) -> dict[str, Channel]:
    """Return the channels that exist, by id."""
    found = _all(connection, select(channels).where(channels.c.id.in_(channel_ids)), Channel)
    return {channel.id: channel for channel in found}


def find_channel_by_name(connection: Connection, server_id: str, unique_name: str) -> Channel | None:
    """Return the channel that holds the unique name in the server."""
    where = and_(channels.c.server_id == server_id, channels.c.unique_name == unique_name)
    return _first(connection, select(channels).where(where), Channel)


def find_dm(connection: Connection, server_id: str, dm_key: str) -> Channel | None:
    """Return the dm of the pair in the server."""
    where = and_(channels.c.server_id == server_id, channels.c.dm_key == dm_key)
    return _first(connection, select(channels).where(where), Channel)


def insert_channel(connection: Connection, row: Row) -> None:
    """Add a channel."""
    connection.execute(insert(channels), row)


def set_dm_key(connection: Connection, channel_id: str, dm_key: str) -> None:
    """Mark the channel as the one dm of a pair."""
    connection.execute(update(channels).where(channels.c.id == channel_id).values(dm_key=dm_key))


def list_channels_of(connection: Connection, server_id: str, entity_id: str, limit: int) -> list[Channel]:
    """Return the newest channels of the server that the entity participates in."""
    statement = (
        select(channels)
        .join(participants, participants.c.channel_id == channels.c.id)
        .where(
            channels.c.server_id == server_id,
            participants.c.entity_id == entity_id,
            participants.c.left_seq.is_(None),
        )
        .order_by(channels.c.created_at.desc(), channels.c.id.desc())
        .limit(limit)
    )
    return _all(connection, statement, Channel)


def list_channels(connection: Connection, server_id: str, limit: int) -> list[Channel]:
    """Return the newest channels of the server."""
    order = (channels.c.created_at.desc(), channels.c.id.desc())
    where = channels.c.server_id == server_id
    return _all(connection, select(channels).where(where).order_by(*order).limit(limit), Channel)


def list_joinable_channels(connection: Connection, server_id: str, limit: int) -> list[Channel]:
    """Return the newest channels of the server that anybody may join."""
    where = and_(channels.c.server_id == server_id, channels.c.joinable)
    order = (channels.c.created_at.desc(), channels.c.id.desc())
    return _all(connection, select(channels).where(where).order_by(*order).limit(limit), Channel)


# Entities and participants


def find_entities(connection: Connection, entity_ids: Collection[str]) -> dict[str, Entity]:
    """Return the entities that exist, by id."""
    found = _all(connection, select(entities).where(entities.c.id.in_(entity_ids)), Entity)
    return {entity.id: entity for entity in found}


_ADD_ENTITY = text(
    "INSERT INTO entities (id, kind, name, created_at) VALUES (:id, :kind, :name, :created_at)"
    " ON CONFLICT (id) DO NOTHING"
)


_PUT_ENTITY = text(
    "INSERT INTO entities (id, kind, name, created_at) VALUES (:id, :kind, :name, :created_at)"
    " ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, name = excluded.name"
)


def put_entity(connection: Connection, row: Row) -> None:
    """Register an entity, or correct what is registered."""
    connection.execute(_PUT_ENTITY, row)


def add_entities(connection: Connection, rows: Sequence[Row]) -> None:
    """Register entities; one that exists already stays as it is."""
    if rows:
        connection.execute(_ADD_ENTITY, rows)


Pair = tuple[str, str]  # a channel's id and an entity's


_ATTENDANCE = select(
    participants.c.entity_id,
    participants.c.channel_id,
    participants.c.role,
    participants.c.joined_at,
    entities.c.kind,
    entities.c.name,
).join(entities, entities.c.id == participants.c.entity_id)


def find_active(connection: Connection, pairs: Collection[Pair]) -> dict[Pair, Attendance]:
    """Return who of the pairs takes part now, by channel and entity."""
    statement = _ATTENDANCE.where(
        tuple_(participants.c.channel_id, participants.c.entity_id).in_(pairs),
        participants.c.left_seq.is_(None),
    )
    found = [Attendance(*row) for row in connection.execute(statement)]
    return {(attendance.channel_id, attendance.entity_id): attendance for attendance in found}


def list_memberships(connection: Connection, channel_id: str, entity_id: str) -> list[Participant]:
    """Return every membership interval of the entity in the channel, the oldest first."""
    where = and_(participants.c.channel_id == channel_id, participants.c.entity_id == entity_id)
    return _all(
        connection, select(participants).where(where).order_by(participants.c.joined_seq), Participant
    )


def list_participants(connection: Connection, channel_id: str) -> list[Attendance]:
    """Return the channel's present participants in the order in which they joined."""
    statement = _ATTENDANCE.where(
        participants.c.channel_id == channel_id, participants.c.left_seq.is_(None)
    ).order_by(participants.c.joined_seq)
    return [Attendance(*row) for row in connection.execute(statement)]


def insert_participants(connection: Connection, rows: Sequence[Row]) -> None:
    """Begin membership intervals."""
    connection.execute(insert(participants), rows)


def end_membership(connection: Connection, channel_id: str, entity_id: str, seq: int) -> None:
    """End the membership that holds now at the given seq."""
    where = and_(
        participants.c.channel_id == channel_id,
        participants.c.entity_id == entity_id,
        participants.c.left_seq.is_(None),
    )
    connection.execute(update(participants).where(where).values(left_seq=seq))


# Messages

# The author's name comes last, and from the registry.
_MESSAGE_COLUMNS = Message._fields[:-1]
_MESSAGE = select(*(messages.c[name] for name in _MESSAGE_COLUMNS), entities.c.name).join(
    entities, entities.c.id == messages.c.author_id
)


def _message(row: Any) -> Message:
    return Message(*row)


def find_messages(connection: Connection, message_ids: Collection[str]) -> dict[str, Message]:
    """Return the messages that exist, by id."""
    found = connection.execute(_MESSAGE.where(messages.c.id.in_(message_ids)))
    return {row.id: _message(row) for row in found}


def insert_messages(connection: Connection, added: Sequence[Message]) -> None:
    """Store the messages."""
    connection.execute(
        insert(messages), [dict(zip(_MESSAGE_COLUMNS, message, strict=False)) for message in added]
    )


def list_messages(
    connection: Connection, channel_id: str, visible: Sequence[Interval], window: Window
) -> list[Message]:
    """Return a page of what is visible of the channel, in order of seq."""
    created, seq = messages.c.created_at, messages.c.seq
    where = [messages.c.channel_id == channel_id, _within(visible)]
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
    order = messages.c.seq.asc() if window.from_the_beginning else messages.c.seq.desc()
    statement = _MESSAGE.where(*where).order_by(order).limit(window.limit).offset(window.offset or 0)
    page = [_message(row) for row in connection.execute(statement)]
    return page if window.from_the_beginning else page[::-1]


def count_messages(connection: Connection, channel_id: str, visible: Sequence[Interval]) -> int:
    """Count what is visible of the channel."""
    where = and_(messages.c.channel_id == channel_id, _within(visible))
    return connection.execute(select(func.count()).select_from(messages).where(where)).scalar_one()


def _within(visible: Sequence[Interval]) -> Any:
    seq = messages.c.seq
    stretches = (seq >= first if end is None else and_(seq >= first, seq < end) for first, end in visible)
    return or_(false(), *stretches)  # without a stretch: nothing, not everything


# Idempotency


def find_idempotency(connection: Connection, pairs: Collection[Pair]) -> dict[Pair, IdempotencyRecord]:
    """Return the records of the (author, key) pairs that have one."""
    where = tuple_(idempotency.c.author_id, idempotency.c.key).in_(pairs)
    found = _all(connection, select(idempotency).where(where), IdempotencyRecord)
    return {(row.author_id, row.key): row for row in found}


def insert_idempotency(connection: Connection, rows: Sequence[Row]) -> None:
    """Remember which message each (author, key) pair led to."""
    if rows:
        connection.execute(insert(idempotency), rows)


def forget_idempotency(connection: Connection, before: int) -> None:
    """Drop the records that are older than the time given in milliseconds."""
    connection.execute(delete(idempotency).where(idempotency.c.created_at < before))


# Keys


def insert_key(connection: Connection, row: Row) -> None:
    """Add an API key."""
    connection.execute(insert(keys), row)


def find_keys(connection: Connection, digests: Collection[bytes]) -> dict[bytes, ApiKey]:
    """Return the keys with the digests, revoked or not."""
    found = _all(connection, select(keys).where(keys.c.digest.in_(digests)), ApiKey)
    return {key.digest: key for key in found}


def list_keys(connection: Connection) -> list[ApiKey]:
    """Return every key, the oldest first."""
    return _all(connection, select(keys).order_by(keys.c.created_at, keys.c.id), ApiKey)


def revoke_key(connection: Connection, key_id: str, now: int) -> bool:
    """Revoke the key and tell whether it was valid until now."""
    where = and_(keys.c.id == key_id, keys.c.revoked_at.is_(None))
    return connection.execute(update(keys).where(where).values(revoked_at=now)).rowcount > 0


def insert_sign_in_code(connection: Connection, row: Row) -> None:
    """Add a sign-in code."""
    connection.execute(insert(sign_in_codes), row)


def take_sign_in_code(connection: Connection, digest: bytes) -> SignInCode | None:
    """Return the code and delete it, so that it works once."""
    found = _first(connection, select(sign_in_codes).where(sign_in_codes.c.digest == digest), SignInCode)
    connection.execute(delete(sign_in_codes).where(sign_in_codes.c.digest == digest))
    return found


def find_secret(connection: Connection) -> Secret | None:
    """Return the newest secret, or None."""
    return _first(connection, select(secrets).order_by(secrets.c.id.desc()).limit(1), Secret)


def insert_secret(connection: Connection, row: Row) -> None:
    """Add a secret."""
    connection.execute(insert(secrets), row)
