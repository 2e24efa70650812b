"""REST: message servers."""

from __future__ import annotations

from typing import Any

from handlers import server_wire, wire
from handlers.http import Call
from rooms import server_removal, servers, syncing
from rooms.ids import new_id
from rooms.rules import DEFAULT_SERVER_ID
from rooms.servers import ServerDraft
from rooms.syncing import Sourced


async def create(call: Call[wire.CreateServer]) -> dict[str, Any]:
    """Create a message server, under an id of the client's choice if it has one."""
    body = call.body
    wanted = ServerDraft(body.name, body.sourceType, body.sourceId, body.metadata, body.id or new_id())
    created = await servers.create(call.ctx, call.principal, wanted)
    view = wire.server(created, call.dialect)
    return {**view, "server": view}


async def list_all(call: Call[None]) -> dict[str, Any]:
    """Answer the message servers that the principal may see."""
    return {"messageServers": await _list(call)}


async def list_in_old_words(call: Call[None]) -> dict[str, Any]:
    """Answer the same as clients before 1.6.5 read it."""
    return {"servers": await _list(call)}


async def _list(call: Call[None]) -> list[dict[str, Any]]:
    found = await servers.list_for(call.ctx, call.principal)
    return [wire.server(server, call.dialect) for server in found]


async def current(_call: Call[None]) -> dict[str, str]:
    """Answer the message server that is meant where none is named."""
    return {"messageServerId": DEFAULT_SERVER_ID, "serverId": DEFAULT_SERVER_ID}


async def delete(call: Call[None]) -> None:
    """Delete a message server with all that is in it."""
    await server_removal.delete(call.ctx, call.principal, call.path_id("server_id"))


async def sync_channels(call: Call[server_wire.SyncChannels]) -> dict[str, int]:
    """Have the channels of another platform here, too."""
    wanted = [Sourced(one.sourceId, one.name, one.type) for one in call.body.channels]
    done = await syncing.sync(call.ctx, call.principal, call.path_id("server_id"), wanted)
    return done._asdict()
