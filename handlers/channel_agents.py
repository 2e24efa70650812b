"""REST: the agents of a channel, as elizaOS's clients add and remove them."""

from __future__ import annotations

from typing import Any

from handlers.http import Call
from handlers.server_wire import AddAgent
from rooms import participants
from rooms.participants import Joining
from rooms.principals import Kind


async def list_all(call: Call[None]) -> dict[str, Any]:
    """Answer who takes part in a channel, and who of them is an agent."""
    channel_id = _channel_of(call)
    found = await participants.list_for(call.ctx, call.principal, channel_id)
    return {
        "channelId": channel_id,
        "participants": [attendance.entity_id for attendance in found],
        "agents": [attendance.entity_id for attendance in found if attendance.kind == Kind.AGENT],
    }


async def add(call: Call[AddAgent]) -> dict[str, Any]:
    """Add an agent that the registry knows; adding it twice changes nothing."""
    channel_id, agent_id = _channel_of(call), call.body.agentId
    await participants.add(call.ctx, Joining(call.principal, channel_id, agent_id, is_agent=True))
    return _done(channel_id, agent_id, "Agent added to channel successfully")


async def remove(call: Call[None]) -> dict[str, Any]:
    """Remove an agent; somebody else who takes part is none."""
    channel_id, agent_id = _channel_of(call), call.agent_id
    await participants.remove(call.ctx, call.principal, channel_id, agent_id, is_agent=True)
    return _done(channel_id, agent_id, "Agent removed from channel successfully")


def _channel_of(call: Call[Any]) -> str:
    return call.path_id("channel_id")


def _done(channel_id: str, agent_id: str, message: str) -> dict[str, Any]:
    return {"success": True, "channelId": channel_id, "agentId": agent_id, "message": message}
