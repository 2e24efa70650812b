"""What was read, over REST and native Socket.IO."""

from __future__ import annotations

from typing import Any

from handlers import reading_wire
from handlers.connection import Connection
from handlers.http import Call, Gate
from rooms import reading
from rooms.principals import Principal
from rooms.reading import Marked, Place
from rooms.rows import Unread
from rooms.rules import DEFAULT_SERVER_ID


async def mark(call: Call[reading_wire.ReadChannel]) -> dict[str, Any]:
    """Move the principal's marker in a channel, and tell whoever is in it."""
    channel_id, body = call.path_id("channel_id"), call.body
    marked = await reading.mark(call.ctx, Place(call.principal, channel_id, body.seq, body.message_id))
    if marked.is_new:
        call.gate.audience.whisper(channel_id, "read", _told(call.principal, marked))
    return _view(marked.unread)


async def get(call: Call[None]) -> dict[str, Any]:
    """Answer where the principal stands in a channel."""
    return _view(await reading.find(call.ctx, call.principal, call.path_id("channel_id")))


async def list_all(call: Call[None]) -> dict[str, Any]:
    """Answer where the principal stands in its channels of a server."""
    server_id = call.query.get("server_id", DEFAULT_SERVER_ID).lower()
    found = await reading.list_for(call.ctx, call.principal, server_id)
    return {"channels": [_view(unread) for unread in found]}


async def read_event(gate: Gate, connection: Connection, body: reading_wire.ReadEvent) -> dict[str, Any]:
    """Move the principal's marker in a channel, and tell the others in it."""
    principal = connection.principal
    place = Place(principal, body.channel_id, body.seq, body.message_id, connection.server_id)
    marked = await reading.mark(gate.ctx, place)
    if marked.is_new:
        connection.whisper(marked.unread.channel_id, "read", _told(principal, marked))
    return _view(marked.unread)


def _told(principal: Principal, marked: Marked) -> dict[str, Any]:
    return {"channel_id": marked.unread.channel_id, "userId": principal.id, "seq": marked.unread.seq}


def _view(unread: Unread) -> dict[str, Any]:
    return unread._asdict()
