"""REST: message servers as elizaOS's clients know them besides: as worlds of agents."""

from __future__ import annotations

from typing import Any

from handlers import world_wire
from handlers.http import Call
from rooms import agents, servers, worlds
from rooms.ids import new_id
from rooms.memories import Inquiry
from rooms.servers import ServerDraft
from rooms.worlds import Wish

SOURCE = "world"


async def list_all(call: Call[None]) -> dict[str, Any]:
    """Answer the message servers that the principal takes part in."""
    found = await servers.list_for(call.ctx, call.principal)
    return {"worlds": [world_wire.world(server) for server in found]}


async def join(call: Call[world_wire.JoinWorld]) -> dict[str, Any]:
    """Answer the world that an agent is in, or create one."""
    body, inquiry = call.body, Inquiry(call.principal, call.agent_id)
    if body.worldId is not None:
        found = await worlds.join(call.ctx, inquiry, body.worldId)
        return {"success": True, "world": world_wire.world(found)}
    await agents.require(call.ctx, inquiry.principal, inquiry.agent_id)
    draft = ServerDraft(body.name or "", SOURCE, metadata=body.metadata, id=body.messageServerId or new_id())
    made = await worlds.ensure(call.ctx, call.principal, draft)
    return {"success": True, "world": world_wire.world(made)}


async def change(call: Call[world_wire.ChangeWorld]) -> dict[str, Any]:
    """Describe a world otherwise."""
    await agents.require(call.ctx, call.principal, call.agent_id)
    wish = Wish(call.principal, call.path_id("world_id"), call.body.name, call.body.patch)
    return world_wire.changed(await worlds.change(call.ctx, wish))


async def ensure(call: Call[world_wire.EnsureWorld]) -> dict[str, Any]:
    """Answer a message server, which is created if there is none of that id."""
    body = call.body
    about = {"description": body.description} if body.description else {}
    draft = ServerDraft(body.name, SOURCE, metadata=about | body.metadata, id=call.path_id("server_id"))
    found = await worlds.ensure(call.ctx, call.principal, draft)
    return {**world_wire.world(found), "worldId": found.id}
