"""REST: agents as elizaOS's clients know them, on top of the registry."""

from __future__ import annotations

from typing import Any

from handlers import character_wire
from handlers.http import Call
from rooms import agents, characters, dismissal, rules
from rooms.agents import Change
from rooms.characters import Description
from rooms.ids import new_id


async def list_all(call: Call[None]) -> dict[str, Any]:
    """Answer the agents that the principal may know of."""
    found = await agents.list_known(call.ctx, call.principal)
    return {"agents": [character_wire.line(profile) for profile in found]}


async def get(call: Call[None]) -> dict[str, Any]:
    """Answer one agent with its character."""
    return character_wire.agent(await characters.require(call.ctx, call.principal, agent_id(call)))


async def create(call: Call[character_wire.CreateAgent]) -> dict[str, Any]:
    """Register an agent."""
    said = call.body.wanted
    wish = _description(call, said, said.id or new_id())
    created = await characters.create(call.ctx, wish)
    agent = character_wire.agent(created)
    return {**agent, "character": agent}


async def change(call: Call[character_wire.ChangeCharacter]) -> dict[str, Any]:
    """Describe an agent otherwise; fields that are not sent stay."""
    wish = _description(call, call.body, agent_id(call))
    return character_wire.agent(await characters.change(call.ctx, wish))


async def delete(call: Call[None]) -> None:
    """End an agent."""
    await dismissal.delete(call.ctx, call.principal, agent_id(call))


async def start(call: Call[None]) -> dict[str, Any]:
    """Have messages address the agent."""
    return await _set_active(call, is_active=True)


async def stop(call: Call[None]) -> dict[str, Any]:
    """Have no message address the agent."""
    return await _set_active(call, is_active=False)


async def panels(call: Call[None]) -> list[Any]:
    """Answer that the agent has no pages of its own."""
    await agents.require(call.ctx, call.principal, agent_id(call))
    return []


def agent_id(call: Call[Any]) -> str:
    """Return which agent the path names."""
    return rules.entity_id(call.path["agent_id"])


async def _set_active(call: Call[None], *, is_active: bool) -> dict[str, Any]:
    profile = await agents.change(call.ctx, Change(call.principal, agent_id(call), is_active=is_active))
    return {
        "id": profile.id,
        "name": profile.name,
        "status": character_wire.status(profile),
        "message": "Agent started" if is_active else "Agent stopped",
    }


def _description(call: Call[Any], said: character_wire.ChangeCharacter, agent_id: str) -> Description:
    return Description(call.principal, said.name, said.bio, said.settings, said.fields, agent_id)
