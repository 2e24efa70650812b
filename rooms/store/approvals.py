"""Approvals: questions to people that messages carry."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, delete, insert, select, text, update

from rooms.rows import Approval
from rooms.store.statements import any_of, tables

table = tables["approvals"]
_participants = tables["participants"]

_APPROVAL = select(*(table.c[field.name] for field in dataclasses.fields(Approval)))
_BY_IDS = _APPROVAL.where(table.c.id.in_(any_of("ids")))
# Word for word the condition of the index.
_OPEN = _APPROVAL.where(text("approvals.state = 'requested'")).order_by(table.c.expires_at)
_OPEN_OF_RUN = _OPEN.where(table.c.run_id == bindparam("run_id"))
_OPEN_OF_ASKER = _OPEN.where(
    table.c.requested_by == bindparam("asker_id"), table.c.channel_id == bindparam("channel_id")
)
_DUE = _OPEN.where(table.c.expires_at <= bindparam("now")).limit(bindparam("limit"))
_NEWEST = (
    _APPROVAL.where(table.c.state.in_(any_of("states")))
    .order_by(table.c.created_at.desc(), table.c.id)
    .limit(bindparam("limit"))
)
_NEWEST_OF_PARTICIPANT = _NEWEST.join(
    _participants,
    and_(
        _participants.c.channel_id == table.c.channel_id,
        _participants.c.entity_id == bindparam("entity_id"),
        _participants.c.left_seq.is_(None),
    ),
)
_CHANGEABLE = ("state", "choice", "resolved_by", "closed_at")
_CLOSE = (
    update(table)
    .where(table.c.id == bindparam("the_id"), table.c.state == "requested")
    .values({name: bindparam(f"new_{name}") for name in _CHANGEABLE})
)
_REMOVE = delete(table).where(table.c.id == bindparam("the_id"))


def find(connection: Connection, message_ids: Collection[str]) -> dict[str, Approval]:
    """Return the approvals that the messages carry, by their ids."""
    return {approval.id: approval for approval in _fetch(connection, _BY_IDS, ids=list(message_ids))}


def list_open_of_run(connection: Connection, run_id: str) -> list[Approval]:
    """Return the open approvals that the run waits for, the one that expires last at the end."""
    return _fetch(connection, _OPEN_OF_RUN, run_id=run_id)


def list_open_of_asker(connection: Connection, asker_id: str, channel_id: str) -> list[Approval]:
    """Return the open approvals that somebody has asked for in the channel."""
    return _fetch(connection, _OPEN_OF_ASKER, asker_id=asker_id, channel_id=channel_id)


def list_due(connection: Connection, now: int, limit: int) -> list[Approval]:
    """Return the open approvals that have expired, the first one first."""
    return _fetch(connection, _DUE, now=now, limit=limit)


def list_newest(connection: Connection, states: Collection[str], limit: int) -> list[Approval]:
    """Return the newest approvals that are in one of the states."""
    return _fetch(connection, _NEWEST, states=list(states), limit=limit)


def list_newest_of_participant(
    connection: Connection, entity_id: str, states: Collection[str], limit: int
) -> list[Approval]:
    """Return the newest ones in the channels that the entity takes part in now."""
    values = {"entity_id": entity_id, "states": list(states), "limit": limit}
    return _fetch(connection, _NEWEST_OF_PARTICIPANT, **values)


def add(connection: Connection, approval: Approval) -> None:
    """Store a new approval."""
    connection.execute(insert(table), [dataclasses.asdict(approval)])


def close(connection: Connection, approval: Approval) -> bool:
    """Store how the approval has been closed, and return True; False if it was closed before."""
    now = {f"new_{name}": getattr(approval, name) for name in _CHANGEABLE}
    return connection.execute(_CLOSE, {"the_id": approval.id, **now}).rowcount == 1


def remove(connection: Connection, message_id: str) -> None:
    """Erase the approval."""
    connection.execute(_REMOVE, {"the_id": message_id})


def _fetch(connection: Connection, statement: Select[Any], **values: object) -> list[Approval]:
    return [Approval(*row) for row in connection.execute(statement, values)]
