"""REST: the agents of a message server, and the servers of an agent."""

from __future__ import annotations

from typing import Any

from handlers.http import Call
from handlers.server_wire import AddAgent
from rooms import server_agents
from rooms.server_agents import Seating


async def list_all(call: Call[None]) -> dict[str, Any]:
    """Answer the server's agents that the principal may know of."""
    server_id = call.path_id("server_id")
    found = await server_agents.list_of(call.ctx, call.principal, server_id)
    return {**_named(server_id), "agents": found}


async def add(call: Call[AddAgent]) -> dict[str, Any]:
    """Add an agent to the server."""
    return await _seat(call, call.body.agentId, adds=True)


async def remove(call: Call[None]) -> dict[str, Any]:
    """Remove an agent from the server, and from its channels."""
    return await _seat(call, call.agent_id, adds=False)


async def list_servers(call: Call[None]) -> dict[str, Any]:
    """Answer the servers of an agent that the principal may see."""
    agent_id = call.agent_id
    found = await server_agents.list_servers(call.ctx, call.principal, agent_id)
    return {"agentId": agent_id, "messageServers": found, "servers": found}


async def _seat(call: Call[Any], agent_id: str, *, adds: bool) -> dict[str, Any]:
    server_id = call.path_id("server_id")
    wish = Seating(call.principal, server_id, agent_id)
    await (server_agents.add if adds else server_agents.remove)(call.ctx, wish)
    done = "added to" if adds else "removed from"
    return {
        **_named(server_id),
        "agentId": agent_id,
        "message": f"Agent {done} message server successfully",
    }


def _named(server_id: str) -> dict[str, str]:
    return {"messageServerId": server_id, "serverId": server_id}
