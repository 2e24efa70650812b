"""What the registry knows of agents, and what keeps them from speaking."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, and_, func, select, text

from rooms.rows import Seat
from rooms.store.statements import any_of, tables

table = tables["agents"]
_guards, _mutes = tables["guards"], tables["mutes"]
_participants, _webhooks = tables["participants"], tables["webhooks"]

_SEATS = (
    select(
        _participants.c.channel_id,
        _participants.c.entity_id,
        func.coalesce(table.c.is_active, True),
        _mutes.c.agent_id.is_not(None),
        _mutes.c.until,
        _webhooks.c.agent_id.is_not(None),
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
    .where(_participants.c.channel_id.in_(any_of("ids")), text("is_agent AND left_seq IS NULL"))
    .order_by(_participants.c.joined_seq)
)


def list_seats(connection: Connection, channel_ids: Collection[str]) -> list[Seat]:
    """Return the agents that take part in the channels, in the order in which they joined."""
    return [Seat._make(row) for row in connection.execute(_SEATS, {"ids": list(channel_ids)})]
