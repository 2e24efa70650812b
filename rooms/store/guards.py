"""In which channels agents' messages open no runs, and why."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, select, text, update

from rooms.store.statements import tables

table = tables["guards"]

_FIND_PAUSE = select(table.c.reason).where(table.c.channel_id == bindparam("channel_id"))
_PAUSE = text(
    "INSERT INTO guards (channel_id, reason, message_id, created_at, resumed_seq)"
    " VALUES (:channel_id, :reason, :message_id, :now, 0) ON CONFLICT (channel_id) DO UPDATE"
    " SET reason = excluded.reason, message_id = excluded.message_id, created_at = excluded.created_at"
)
_RESUME = update(table).where(table.c.channel_id == bindparam("the_id"))
_REMOVE = delete(table).where(table.c.channel_id == bindparam("the_id"))


def find_pause(connection: Connection, channel_id: str) -> str | None:
    """Return why agents' messages open no runs in the channel, or None if they do."""
    return connection.execute(_FIND_PAUSE, {"channel_id": channel_id}).scalar()


def pause(connection: Connection, channel_id: str, reason: str, message_id: str, now: int) -> None:
    """Let agents' messages open no runs in the channel, because of a message."""
    values = {"channel_id": channel_id, "reason": reason, "message_id": message_id, "now": now}
    connection.execute(_PAUSE, values)


def resume(connection: Connection, channel_id: str, seq: int) -> None:
    """Let agents' messages open runs in the channel again, and count them from an event on."""
    connection.execute(_RESUME, {"the_id": channel_id, "reason": None, "resumed_seq": seq})


def remove(connection: Connection, channel_id: str) -> None:
    """Forget whether agents have gone too far in the channel."""
    connection.execute(_REMOVE, {"the_id": channel_id})
