"""REST: what elizaOS's agents tell of their actions, which are messages that are changed as they go on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from handlers import action_wire, messages, reactions
from handlers.http import Call
from handlers.wire import SubmitMessage
from rooms import edits
from rooms import messages as domain
from rooms.edits import Edit, Target
from rooms.errors import ValidationFailed
from rooms.rows import AGENT_ACTION


async def create(call: Call[SubmitMessage]) -> dict[str, Any]:
    """Store that an agent does something, and answer the message; the agent's run goes on."""
    body = call.body
    if body.source_type not in (None, AGENT_ACTION):
        raise ValidationFailed(f"Field 'source_type' must be {AGENT_ACTION}; submit anything else")
    draft = replace(messages.draft(call.principal, body), source_type=AGENT_ACTION)
    submitted = await domain.submit(call.ctx, draft)
    (stored,) = await reactions.view(call, [submitted.message])
    return stored


async def change(call: Call[action_wire.ChangeAction]) -> dict[str, Any]:
    """Change what is told of an action, and answer the message as it is now."""
    body = call.body
    target = Target(call.principal, call.path_id("message_id"), source_type=AGENT_ACTION)
    edited = await edits.edit(call.ctx, Edit(target, body.content, body.raw_message, body.metadata))
    (stored,) = await reactions.view(call, [edited])
    return stored
