"""Runs on their way to webhooks, and replies on theirs to platforms."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, insert, null, select, update

from rooms.rows import DueDelivery
from rooms.run_tables import Delivery
from rooms.store.statements import Row, any_of, fetch_all, fetch_first, tables

table = tables["deliveries"]
_runs = tables["runs"]

_BY_ID = select(table).where(table.c.id == bindparam("delivery_id"))
_DUE = (
    select(table.c.id, table.c.agent_id, table.c.due_at, _runs.c.server_id)
    .join(_runs, _runs.c.id == table.c.run_id)
    .where(table.c.due_at <= bindparam("now"), table.c.agent_id.not_in(any_of("busy")))
    .order_by(table.c.due_at, table.c.id)
    .limit(bindparam("limit"))
)
# The condition on the time is what parts two nodes that have seen the same delivery.
_HOLD = (
    update(table)
    .where(table.c.id == bindparam("delivery_id"), table.c.due_at == bindparam("seen"))
    .values(attempts=table.c.attempts + 1, due_at=bindparam("until"))
)
_RELEASE = (
    update(table)
    .where(table.c.run_id == bindparam("the_run"), table.c.state == "waiting")
    .values(state="queued", due_at=bindparam("now"))
)
_REPLY = select(table).where(table.c.run_id == bindparam("run_id"), table.c.platform_id.is_not(None))
_CHANGE = (
    update(table)
    .where(table.c.id == bindparam("delivery_id"))
    .values(state=bindparam("new_state"), error=bindparam("new_error"), due_at=bindparam("new_due_at"))
)
_OLD = (
    select(table.c.id)
    .where(table.c.id < bindparam("first_kept"), table.c.due_at.is_(None), table.c.state != "waiting")
    .order_by(table.c.id)
    .limit(bindparam("limit"))
)


def find(connection: Connection, delivery_id: str) -> Delivery | None:
    """Return the delivery, or None."""
    return fetch_first(connection, _BY_ID, Delivery, delivery_id=delivery_id)


def find_reply(connection: Connection, run_id: str) -> Delivery | None:
    """Return what takes the reply of a run to a platform, or None."""
    return fetch_first(connection, _REPLY, Delivery, run_id=run_id)


def list_due(connection: Connection, now: int, busy: Collection[str], limit: int) -> list[DueDelivery]:
    """Return what has to be sent by now, but for the agents that are busy, the most urgent first."""
    values = {"now": now, "busy": list(busy), "limit": limit}
    return [DueDelivery._make(row) for row in connection.execute(_DUE, values)]


def list_page(
    connection: Connection, agent_id: str, state: str | None, before: str | None, limit: int
) -> list[Delivery]:
    """Return the newest deliveries to an agent's webhook, or the newest before one, in any state or one."""
    of_agent = select(table).where(table.c.agent_id == agent_id, table.c.platform_id.is_(None))
    return _page(connection, of_agent, state, before, limit)


def list_page_of_platform(
    connection: Connection, platform_id: str, state: str | None, before: str | None, limit: int
) -> list[Delivery]:
    """Return the newest deliveries to the platform, or the newest before one, in any state or in one."""
    of_platform = select(table).where(table.c.platform_id == platform_id)
    return _page(connection, of_platform, state, before, limit)


def _page(
    connection: Connection, statement: Select[Any], state: str | None, before: str | None, limit: int
) -> list[Delivery]:
    if state is not None:
        statement = statement.where(table.c.state == state)
    if before is not None:
        statement = statement.where(table.c.id < before)
    return fetch_all(connection, statement.order_by(table.c.id.desc()).limit(limit), Delivery)


def add(connection: Connection, rows: Sequence[Row]) -> None:
    """Add deliveries."""
    connection.execute(insert(table), rows)


def release(connection: Connection, run_id: str, now: int) -> bool:
    """Let the reply of a run be sent; tell whether one was waited for."""
    return connection.execute(_RELEASE, {"the_run": run_id, "now": now}).rowcount > 0


def advance(connection: Connection, delivery_id: str, sent: int, due_at: int) -> None:
    """Store how many parts have arrived, and go on with the next, which has not failed yet."""
    values = {"sent": sent, "due_at": due_at, "attempts": 0, "error": None, "state": "queued"}
    connection.execute(update(table).where(table.c.id == delivery_id).values(values))


def count(connection: Connection, delivery_id: str, sent: int) -> None:
    """Store how many parts have arrived."""
    connection.execute(update(table).where(table.c.id == delivery_id).values(sent=sent))


def hold(connection: Connection, due: DueDelivery, until: int) -> bool:
    """Count an attempt and put the delivery off; tell whether it was still due when it was seen."""
    values = {"delivery_id": due.id, "seen": due.due_at, "until": until}
    return connection.execute(_HOLD, values).rowcount > 0


def change(
    connection: Connection, delivery_id: str, state: str, error: str | None = None, due_at: int | None = None
) -> None:
    """Store how the delivery stands now."""
    values: dict[str, Any] = {"new_state": state, "new_error": error, "new_due_at": due_at}
    connection.execute(_CHANGE, {"delivery_id": delivery_id, **values})


def forget_address(connection: Connection, delivery_id: str) -> None:
    """Forget where on its platform a reply would go."""
    connection.execute(update(table).where(table.c.id == delivery_id).values(address=null()))


def list_old(connection: Connection, first_kept: str, limit: int) -> list[str]:
    """Return the oldest deliveries with ids before this one that are over."""
    return list(connection.execute(_OLD, {"first_kept": first_kept, "limit": limit}).scalars())


def remove(connection: Connection, delivery_ids: Collection[str]) -> None:
    """Forget deliveries."""
    connection.execute(delete(table).where(table.c.id.in_(list(delivery_ids))))
