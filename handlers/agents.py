"""REST: the registry of agents."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from handlers import agent_wire, character_wire
from handlers.http import Call
from rooms import agents, rules
from rooms.agents import Change
from rooms.errors import agent_not_found
from rooms.rows import Profile


async def list_all(call: Call[None]) -> dict[str, Any]:
    """Answer the agents that the principal may know of, or those of a server."""
    server_id = call.query.get("server_id")
    found = await agents.list_known(call.ctx, call.principal, server_id.lower() if server_id else None)
    connected = call.gate.audience.find_present({profile.id for profile in found})
    return {"agents": [_view(profile, connected) for profile in found]}


async def get(call: Call[None]) -> dict[str, Any]:
    """Answer one agent."""
    found = await agents.require(call.ctx, call.principal, call.agent_id)
    return _shown(call, found)


async def change(call: Call[agent_wire.ChangeAgent]) -> dict[str, Any]:
    """Describe an agent otherwise."""
    return await _change(call, registers=False)


async def put(call: Call[agent_wire.ChangeAgent]) -> dict[str, Any]:
    """Describe an agent, and make it known if it is not."""
    return await _change(call, registers=True)


async def _change(call: Call[agent_wire.ChangeAgent], *, registers: bool) -> dict[str, Any]:
    stated, body = call.path["agent_id"], call.body
    try:
        agent_id = rules.principal_id(stated)
    except ValueError:
        raise agent_not_found(stated) from None
    wish = Change(
        call.principal,
        agent_id,
        name=body.name,
        handle=body.handle,
        has_handle="handle" in body.model_fields_set,
        bio=body.bio,
        capabilities=body.capabilities,
        settings=body.settings,
        is_active=body.is_active,
        registers=registers,
    )
    return _shown(call, await agents.change(call.ctx, wish))


def _shown(call: Call[Any], profile: Profile) -> dict[str, Any]:
    return _view(profile, call.gate.audience.find_present({profile.id}))


def _view(profile: Profile, connected: Collection[str]) -> dict[str, Any]:
    settings = {} if profile.settings is None else {"settings": profile.settings}
    return {
        "id": profile.id,
        "name": profile.name,
        "handle": profile.handle,
        "bio": profile.bio,
        "is_active": profile.is_active,
        "status": character_wire.status(profile),
        "capabilities": profile.capabilities,
        **settings,
        "connected": profile.id in connected,
        "created_at": profile.created_at,
    }
