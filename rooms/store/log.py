"""The logs: committed events, and the positions that servers and channels have reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, insert, select, text, union_all, update

from rooms.publishing import Event
from rooms.rows import Approval, Entry, LogSummary, Message
from rooms.store.statements import Bulk, any_of, tables

table = tables["events"]
_servers, _channels, _messages = tables["servers"], tables["channels"], tables["messages"]

_INSERT = Bulk(
    insert(table), ["server_id", "seq", "channel_id", "kind", "message_id", "created_at", "payload"]
)
_ADVANCE_SERVER = Bulk(
    update(_servers)
    .where(_servers.c.id == bindparam("the_id"))
    .values(seq=bindparam("at"), updated_at=bindparam("now")),
    ["at", "now", "the_id"],
)
_ADVANCE_CHANNEL = Bulk(
    update(_channels)
    .where(_channels.c.id == bindparam("the_id"))
    .values(seq=bindparam("at"), message_count=_channels.c.message_count + bindparam("more")),
    ["more", "at", "the_id"],
)
_PAYLOAD = select(table.c.payload).where(
    table.c.server_id == bindparam("server_id"), table.c.seq == bindparam("seq")
)
_PAYLOADS = select(table.c.seq, table.c.payload)
_OF_MESSAGE = union_all(
    _PAYLOADS.where(table.c.server_id == bindparam("server_id"), table.c.seq == bindparam("seq")),
    # Word for word the condition of the index.
    _PAYLOADS.where(table.c.message_id == bindparam("message_id"), text("kind <> 'message'")),
)
_PLACES = select(table.c.seq, table.c.message_id).where(
    # Word for word the condition of the index.
    table.c.message_id.in_(any_of("ids")),
    text("kind <> 'message'"),
)
_TELLING = (
    select(table.c.seq)
    .where(
        table.c.channel_id == bindparam("channel_id"),
        table.c.seq > bindparam("after"),
        table.c.kind.in_(any_of("kinds")),
    )
    .order_by(table.c.seq)
)
_SILENCE = Bulk(
    update(table)
    .where(table.c.server_id == bindparam("the_server"), table.c.seq == bindparam("at"))
    .values(kind=bindparam("new_kind"), payload=bindparam("encoded")),
    ["new_kind", "encoded", "the_server", "at"],
)
_REWRITE = Bulk(
    update(table)
    .where(table.c.server_id == bindparam("the_server"), table.c.seq == bindparam("at"))
    .values(payload=bindparam("encoded")),
    ["encoded", "the_server", "at"],
)
ERASED = "erased"  # the kind of what is told to nobody any more
_NOTHING = b"{}"

_RANGE = (
    select(table.c.seq, table.c.channel_id, table.c.kind, table.c.payload)
    .where(
        table.c.server_id == bindparam("server_id"),
        table.c.seq > bindparam("after"),
        table.c.seq <= bindparam("until"),
    )
    .order_by(table.c.seq)
    .limit(bindparam("limit"))
)
_RANGE_OF_CHANNELS = _RANGE.where(table.c.channel_id.in_(any_of("channel_ids")))

FETCHED_AT_ONCE = 64
_FORGET = table.delete().where(table.c.server_id == bindparam("the_id"), table.c.seq <= bindparam("floor"))
_RAISE_FLOOR = (
    _servers.update().where(_servers.c.id == bindparam("the_id")).values(floor_seq=bindparam("floor"))
)
_FIRST_SINCE = select(func.min(table.c.seq)).where(
    table.c.server_id == bindparam("server_id"),
    table.c.seq > bindparam("after"),
    table.c.seq <= bindparam("until"),
    table.c.created_at >= bindparam("since"),
)


def append(connection: Connection, events: Sequence[Event], now: int) -> None:
    """Add the events to their logs."""
    rows = [
        (event.server_id, event.seq, event.channel_id, event.kind, event.message_id, now, event.encoded)
        for event in events
    ]
    _INSERT(connection, rows)


def advance(connection: Connection, events: Sequence[Event], now: int) -> None:
    """Move servers and channels on to their newest event, and count the messages."""
    server_seqs = {event.server_id: event.seq for event in events}
    channel_seqs = {event.channel_id: event.seq for event in events}
    counts: Counter[str] = Counter()
    for event in events:
        counts[event.channel_id] += _counted(event)
    _ADVANCE_SERVER(connection, [(seq, now, server_id) for server_id, seq in server_seqs.items()])
    _ADVANCE_CHANNEL(connection, [(counts[key], seq, key) for key, seq in channel_seqs.items()])


def _counted(event: Event) -> int:
    """Return what an event adds to the number of its channel's messages."""
    if event.kind == "message":
        return 1
    if event.kind == "message_deleted":
        return -1
    return -event.payload["count"] if event.kind == "channel_cleared" else 0


def has(connection: Connection, event: Event) -> bool:
    """Tell whether the log holds exactly this event."""
    found = connection.execute(_PAYLOAD, {"server_id": event.server_id, "seq": event.seq})
    return found.scalar() == event.encoded


def read(
    connection: Connection,
    server_id: str,
    channel_ids: Collection[str] | None,
    after: int,
    until: int,
    limit: int,
    room: int,
) -> list[Entry]:
    """Return the entries of the channels, or of all, after a seq up to another, the first ones.

    They are ``limit`` at most, and end once their payloads have more than ``room`` bytes.
    """
    values: dict[str, Any] = {"server_id": server_id, "after": after, "until": until, "limit": limit}
    statement = _RANGE
    if channel_ids is not None:
        statement, values["channel_ids"] = _RANGE_OF_CHANNELS, list(channel_ids)
    found: list[Entry] = []
    result = connection.execute(statement, values)
    while room > 0 and (rows := result.fetchmany(FETCHED_AT_ONCE)):
        for row in rows:
            found.append(Entry._make(row))
            room -= len(row.payload)
            if room <= 0:
                break
    result.close()
    return found


def list_payloads(connection: Connection, message: Message | Approval) -> list[tuple[int, bytes]]:
    """Return seq and payload of each event that tells of the message."""
    values = {"server_id": message.server_id, "seq": message.seq, "message_id": message.id}
    return [(row.seq, row.payload) for row in connection.execute(_OF_MESSAGE, values)]


def list_places(connection: Connection, message_ids: Collection[str]) -> list[tuple[int, str]]:
    """Return the seqs of what else tells of the messages, each with the message's id."""
    found = connection.execute(_PLACES, {"ids": list(message_ids)})
    return [(row.seq, row.message_id) for row in found]


def list_telling(
    connection: Connection, channel_id: str, kinds: Collection[str], after: int = 0
) -> list[int]:
    """Return the seqs of the channel's events of these kinds, after a seq."""
    values = {"channel_id": channel_id, "kinds": list(kinds), "after": after}
    return list(connection.execute(_TELLING, values).scalars())


def silence(connection: Connection, server_id: str, seqs: Collection[int]) -> None:
    """Forget what the events of the given seqs tell; they keep their places."""
    if seqs:
        _SILENCE(connection, [(ERASED, _NOTHING, server_id, seq) for seq in seqs])


def rewrite(connection: Connection, server_id: str, payloads: Sequence[tuple[int, bytes]]) -> None:
    """Put other payloads in the places of those of the given seqs."""
    if payloads:
        _REWRITE(connection, [(payload, server_id, seq) for seq, payload in payloads])


def find_last_before(connection: Connection, server_id: str, after: int, until: int, since: int) -> int:
    """Return the seq, ``after`` to ``until``, up to which each event is older than a time in milliseconds."""
    values = {"server_id": server_id, "after": after, "until": until, "since": since}
    first_since = connection.execute(_FIRST_SINCE, values).scalar()
    return until if first_since is None else first_since - 1


def raise_floor(connection: Connection, server_id: str, floor: int) -> None:
    """Delete the server's events up to the seq, and say so in its row."""
    values = {"the_id": server_id, "floor": floor}
    connection.execute(_FORGET, values)
    connection.execute(_RAISE_FLOOR, values)


def summarise(connection: Connection) -> list[LogSummary]:
    """Return a summary of each server's log, in order of the servers' ids."""
    lost = and_(table.c.message_id.is_not(None), _messages.c.id.is_(None))
    statement = (
        select(
            _servers.c.id,
            _servers.c.seq,
            _servers.c.floor_seq,
            func.count(table.c.seq),
            func.min(table.c.seq),
            func.max(table.c.seq),
            func.count(table.c.seq).filter(lost),
        )
        .outerjoin(table, table.c.server_id == _servers.c.id)
        .outerjoin(_messages, _messages.c.id == table.c.message_id)
        .group_by(_servers.c.id, _servers.c.seq, _servers.c.floor_seq)
        .order_by(_servers.c.id)
    )
    return [LogSummary(*row) for row in connection.execute(statement)]
