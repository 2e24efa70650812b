"""REST: who takes part in a channel."""

from __future__ import annotations

from typing import Any

from handlers import wire
from handlers.http import Call
from handlers.wire import Dialect
from rooms import participants, rules
from rooms.participants import Joining


async def list_all(call: Call[None]) -> list[str] | dict[str, Any]:
    """Answer the participants: described, or as the bare ids that elizaOS's clients expect."""
    found = await participants.list_for(call.ctx, call.principal, call.path_id("channel_id"))
    if call.dialect is Dialect.ELIZA:
        return [attendance.entity_id for attendance in found]
    return {"participants": [wire.participant(attendance, call.dialect) for attendance in found]}


async def add(call: Call[wire.AddParticipant]) -> dict[str, Any]:
    """Add somebody; adding twice answers the participant that is there."""
    joining = Joining(call.principal, call.path_id("channel_id"), call.body.userId, call.body.role)
    added = await participants.add(call.ctx, joining)
    return {"participant": wire.participant(added, call.dialect)}


async def remove(call: Call[None]) -> dict[str, Any]:
    """End somebody's participation."""
    channel_id, entity_id = call.path_id("channel_id"), rules.entity_id(call.path["entity_id"])
    await participants.remove(call.ctx, call.principal, channel_id, entity_id)
    return {"channelId": channel_id, "userId": entity_id}
