"""REST: how the server is, as elizaOS's clients ask for it. Most of these answers stand alone."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from handlers import character_wire, health, wire
from handlers.http import Call
from handlers.wire import Dialect
from rooms import agents, servers, times

SPOKEN = "1.7.2"  # whose API this is; elizaOS's page compares it with the newest release


async def ping(call: Call[None]) -> dict[str, Any]:
    """Answer at once."""
    return {"pong": True, "timestamp": call.ctx.now()}


async def hello(_call: Call[None]) -> dict[str, Any]:
    """Answer at once, in words."""
    return {"message": "Hello World!"}


async def healthy(call: Call[None]) -> dict[str, Any]:
    """Answer when messages can be stored; raise Unavailable otherwise."""
    await health.ready(call)
    known = await agents.count(call.ctx)
    return {
        "status": "OK",
        "version": version("parley"),
        "timestamp": times.iso(call.ctx.now()),
        "uptime": health.uptime(),
        "dependencies": {"agents": "healthy" if known.active else "no_agents"},
        "agentCount": known.active,
    }


async def status(call: Call[None]) -> dict[str, Any]:
    """Answer how many agents there are, and for how long the server has run."""
    known = await agents.count(call.ctx)
    return {
        "status": "ok",
        "agentCount": known.active,
        "timestamp": times.iso(call.ctx.now()),
        "agents": {"total": known.total, "active": known.active, "inactive": known.total - known.active},
        "uptime": health.uptime(),
        "version": version("parley"),
    }


async def list_servers(call: Call[None]) -> dict[str, Any]:
    """Answer the principal's message servers, and agents, where each client looks for them."""
    found = await servers.list_for(call.ctx, call.principal)
    known = await agents.list_known(call.ctx, call.principal)
    listed = {
        "servers": [wire.server(server, Dialect.ELIZA) for server in found],
        "count": len(found),
        "runtime": {"agents": [character_wire.line(profile) for profile in known]},
    }
    return {"success": True, **listed, "data": listed}


async def spoken(call: Call[None]) -> dict[str, Any]:
    """Answer which version of elizaOS's API this is, and which version of Parley."""
    return {
        "version": SPOKEN,
        "source": "server",
        "timestamp": times.iso(call.ctx.now()),
        "environment": "production",
        "uptime": health.uptime(),
        "parley": version("parley"),
    }


async def environment(_call: Call[None]) -> dict[str, Any]:
    """Answer nothing: what the process was started with is not for its clients."""
    return {}
