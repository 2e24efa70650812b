"""Stored messages, one at a time: looked up, edited and deleted, over REST and native Socket.IO."""

from __future__ import annotations

from typing import Any

from handlers import reactions, wire
from handlers.connection import Connection
from handlers.http import Call, Gate
from rooms import edits, payloads
from rooms.edits import Edit, Target


async def get(call: Call[None]) -> dict[str, Any]:
    """Answer one message."""
    (found,) = await reactions.view(call, [await edits.require(call.ctx, _over_rest(call))])
    return found


async def edit(call: Call[wire.EditMessage]) -> dict[str, Any]:
    """Change what a message says and answer it as it is now."""
    edited = await edits.edit(call.ctx, Edit(_over_rest(call), call.body.content))
    (found,) = await reactions.view(call, [edited])
    return found


async def delete(call: Call[None]) -> dict[str, Any]:
    """Erase a message and answer what is left of it."""
    return payloads.tombstone(await edits.delete(call.ctx, _over_rest(call)))


async def delete_in_channel(call: Call[None]) -> None:
    """Erase a message as elizaOS's clients ask for it; one of another channel does not exist."""
    await edits.delete(call.ctx, _over_rest(call))


async def edit_event(gate: Gate, connection: Connection, body: wire.EditEvent) -> dict[str, Any]:
    """Change what a message says and acknowledge it as it is now."""
    wish = Edit(_over_socket(connection, body), body.content)
    return payloads.updated(await edits.edit(gate.ctx, wish))


async def delete_event(gate: Gate, connection: Connection, body: wire.MessageEvent) -> dict[str, Any]:
    """Erase a message and acknowledge what is left of it."""
    return payloads.tombstone(await edits.delete(gate.ctx, _over_socket(connection, body)))


def _over_rest(call: Call[Any]) -> Target:
    path = {name: text.lower() for name, text in call.path.items()}
    return Target(call.principal, path["message_id"], channel_id=path.get("channel_id"))


def _over_socket(connection: Connection, body: wire.MessageEvent) -> Target:
    return Target(connection.principal, body.message_id, server_id=connection.server_id)
