"""REST: message servers."""

from __future__ import annotations

from typing import Any

from handlers import wire
from handlers.http import Call
from rooms import servers
from rooms.ids import new_id
from rooms.servers import ServerDraft


async def create(call: Call[wire.CreateServer]) -> dict[str, Any]:
    """Create a message server, under an id of the client's choice if it has one."""
    body = call.body
    wanted = ServerDraft(body.name, body.sourceType, body.sourceId, body.metadata, body.id or new_id())
    created = await servers.create(call.ctx, call.principal, wanted)
    return {"server": wire.server(created, call.dialect)}


async def list_all(call: Call[None]) -> dict[str, Any]:
    """Answer the message servers that the principal takes part in."""
    found = await servers.list_for(call.ctx, call.principal)
    return {"messageServers": [wire.server(server, call.dialect) for server in found]}
