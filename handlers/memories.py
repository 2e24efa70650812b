"""REST: an agent's memories and rooms, as elizaOS's clients ask for them."""

from __future__ import annotations

from typing import Any

from handlers import memory_wire
from handlers.http import Call
from handlers.parsing import page_size, whole_number
from rooms import memories, rules
from rooms.channels import ChannelDraft
from rooms.memories import Inquiry

DEFAULT_PAGE = 20


async def list_all(call: Call[None]) -> dict[str, Any]:
    """Answer what was said last in an agent's channels, or in one of them."""
    stated = call.query.get("channelId") or call.query.get("roomId")
    return await _list(call, stated.lower() if stated else None)


async def list_of_room(call: Call[None]) -> dict[str, Any]:
    """Answer what was said last in one of an agent's channels."""
    return await _list(call, _room_id(call))


async def change(call: Call[memory_wire.ChangeMemory]) -> dict[str, Any]:
    """Let something that was said be something else."""
    inquiry = _inquiry(call)
    changed = await memories.change(call.ctx, inquiry, call.path_id("memory_id"), call.body.content)
    return {**memory_wire.memory(changed, inquiry.agent_id), "message": "Memory updated successfully"}


async def delete(call: Call[None]) -> dict[str, Any]:
    """Delete something that was said."""
    await memories.forget(call.ctx, _inquiry(call), call.path_id("memory_id"))
    return {"success": True, "message": "Memory deleted successfully"}


async def clear_room(call: Call[None]) -> None:
    """Delete all that was said in one of an agent's channels."""
    await memories.forget_room(call.ctx, _inquiry(call), _room_id(call))


async def clear(call: Call[None]) -> dict[str, Any]:
    """Delete all that was said in an agent's channels."""
    deleted = await memories.forget_all(call.ctx, _inquiry(call))
    return {"deleted": deleted, "message": "All agent memories cleared successfully"}


async def clear_world(call: Call[None]) -> dict[str, Any]:
    """Delete all that was said in the channels of a message server."""
    deleted = await memories.forget_server(call.ctx, call.principal, call.path_id("server_id"))
    return {"deleted": deleted, "message": "All memories of the world cleared successfully"}


async def list_rooms(call: Call[None]) -> dict[str, Any]:
    """Answer the channels of an agent's that the principal may see."""
    inquiry = _inquiry(call)
    found = await memories.list_rooms(call.ctx, inquiry)
    return {"rooms": [memory_wire.room(channel, inquiry.agent_id) for channel in found]}


async def get_room(call: Call[None]) -> dict[str, Any]:
    """Answer one of an agent's channels."""
    inquiry = _inquiry(call)
    return memory_wire.room(await memories.require_room(call.ctx, inquiry, _room_id(call)), inquiry.agent_id)


async def create_room(call: Call[memory_wire.CreateRoom]) -> dict[str, Any]:
    """Create a channel with an agent in it."""
    body, inquiry = call.body, _inquiry(call)
    draft = ChannelDraft(
        principal=call.principal,
        server_id=body.messageServerId or rules.DEFAULT_SERVER_ID,
        name=body.name,
        type=body.type,
        source_type="client",
        metadata=body.metadata,
    )
    return memory_wire.room(await memories.create_room(call.ctx, inquiry, draft), inquiry.agent_id)


async def _list(call: Call[None], channel_id: str | None) -> dict[str, Any]:
    inquiry = _inquiry(call)
    limit = page_size(call.query, DEFAULT_PAGE, rules.MAX_PAGE)
    before = whole_number(call.query, "before", 0) if call.query.get("before") else None
    found = await memories.list_newest(call.ctx, inquiry, channel_id, limit, before)
    # Of other tables there is nothing, but what is wrong with the request is said all the same.
    is_known = call.query.get("tableName", memory_wire.TABLE) == memory_wire.TABLE
    listed = [memory_wire.memory(message, inquiry.agent_id) for message in found if is_known]
    return {"success": True, "memories": listed, "data": listed}


def _inquiry(call: Call[Any]) -> Inquiry:
    return Inquiry(call.principal, call.agent_id)


def _room_id(call: Call[Any]) -> str:
    return call.path_id("room_id")
