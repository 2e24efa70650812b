"""Reactions to messages, over REST and native Socket.IO; and messages with those to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from handlers import people_wire, wire
from handlers.connection import Connection
from handlers.http import Call, Gate
from handlers.parsing import BAD_PARAMETERS
from rooms import reactions, rules
from rooms.edits import Target
from rooms.errors import ValidationFailed
from rooms.reactions import Reaction
from rooms.rows import Message, Sign


async def add(call: Call[None]) -> dict[str, Any]:
    """Add the principal's reaction."""
    return await _react(call, is_wanted=True)


async def remove(call: Call[None]) -> dict[str, Any]:
    """Remove the principal's reaction."""
    return await _react(call, is_wanted=False)


async def list_all(call: Call[None]) -> dict[str, Any]:
    """Answer the reactions to a message, and whose they are."""
    found = await reactions.list_for(call.ctx, _target(call))
    return {"reactions": [{**wire.sign(given.sign), "userIds": given.entity_ids} for given in found]}


async def react_event(gate: Gate, connection: Connection, body: people_wire.ReactEvent) -> dict[str, Any]:
    """Add or remove the principal's reaction."""
    target = Target(connection.principal, body.message_id, server_id=connection.server_id)
    signs = await reactions.react(gate.ctx, Reaction(target, body.emoji, is_wanted=not body.remove))
    return _view(body.message_id, signs)


async def view(call: Call[Any], messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return messages for REST, with the reactions to all of them looked up at once."""
    signs = await reactions.count(call.ctx, call.principal, messages)
    return [wire.message(message, call.dialect, signs.get(message.id, ())) for message in messages]


async def _react(call: Call[None], *, is_wanted: bool) -> dict[str, Any]:
    target = _target(call)
    signs = await reactions.react(call.ctx, Reaction(target, _emoji(call.path["emoji"]), is_wanted))
    return _view(target.message_id, signs)


def _view(message_id: str, signs: Sequence[Sign]) -> dict[str, Any]:
    return {"message_id": message_id, "reactions": [wire.sign(sign) for sign in signs]}


def _target(call: Call[None]) -> Target:
    return Target(call.principal, call.path_id("message_id"))


def _emoji(text: str) -> str:
    try:
        return rules.emoji(text)
    except ValueError as error:
        raise ValidationFailed(f"The emoji in the path {error}", message=BAD_PARAMETERS) from None
