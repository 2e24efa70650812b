"""Who may be mentioned, and who was, where."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, and_, insert, or_, select

from rooms.rows import Mentionable
from rooms.store.statements import Row, any_of, tables

table = tables["mentions"]
_entities, _participants = tables["entities"], tables["participants"]

_PRESENT = and_(
    _participants.c.entity_id == _entities.c.id,
    _participants.c.left_seq.is_(None),
    _participants.c.channel_id.in_(any_of("channel_ids")),
)
_MENTIONABLE = (
    select(
        _entities.c.id,
        _entities.c.kind,
        _entities.c.name,
        _entities.c.name_key,
        _entities.c.handle_key,
        _participants.c.channel_id,
    )
    .outerjoin(_participants, _PRESENT)
    .where(
        or_(
            _entities.c.handle_key.in_(any_of("handles")),
            _entities.c.id.in_(any_of("ids")),
            and_(_entities.c.name_key.in_(any_of("names")), _participants.c.channel_id.is_not(None)),
        )
    )
)
_FORGET = table.delete().where(table.c.message_id.in_(any_of("ids")))


def find_mentionable(
    connection: Connection,
    handles: Collection[str],
    ids: Collection[str],
    names: Collection[str],
    channel_ids: Collection[str],
) -> list[Mentionable]:
    """Return who has one of the handles or ids, or takes part in one of the channels under one of the names.

    Handles and names are given as they are compared. There is one row for each of the channels that
    somebody takes part in, or one without a channel.
    """
    values = {
        "handles": list(handles),
        "ids": list(ids),
        "names": list(names),
        "channel_ids": list(channel_ids),
    }
    return [Mentionable._make(row) for row in connection.execute(_MENTIONABLE, values)]


def add(connection: Connection, rows: Sequence[Row]) -> None:
    """Remember that messages mention somebody."""
    connection.execute(insert(table), rows)


def forget(connection: Connection, message_ids: Collection[str]) -> None:
    """Forget whom the messages mention."""
    connection.execute(_FORGET, {"ids": list(message_ids)})
