"""REST: agents as elizaOS's clients know them, on top of the registry."""

from __future__ import annotations

from typing import Any

from handlers import character_wire
from handlers.http import Call
from rooms import agents, characters, dismissal
from rooms.agents import Change
from rooms.characters import CharacterDraft
from rooms.ids import new_id


async def list_all(call: Call[None]) -> dict[str, Any]:
    """Answer the agents that the principal may know of."""
    found = await agents.list_known(call.ctx, call.principal)
    return {"agents": [character_wire.line(profile) for profile in found]}


async def get(call: Call[None]) -> dict[str, Any]:
    """Answer one agent with its character."""
    return character_wire.agent(await characters.require(call.ctx, call.principal, call.agent_id))


async def create(call: Call[character_wire.CreateAgent]) -> dict[str, Any]:
    """Register an agent."""
    said = call.body.wanted
    created = await characters.create(call.ctx, _draft(call, said.id or new_id(), said))
    agent = character_wire.agent(created)
    return {**agent, "character": agent}


async def change(call: Call[character_wire.ChangeCharacter]) -> dict[str, Any]:
    """Describe an agent otherwise; fields that are not sent stay."""
    wish = _draft(call, call.agent_id, call.body)
    return character_wire.agent(await characters.change(call.ctx, wish))


async def delete(call: Call[None]) -> None:
    """End an agent."""
    await dismissal.delete(call.ctx, call.principal, call.agent_id)


async def start(call: Call[None]) -> dict[str, Any]:
    """Have messages address the agent."""
    return await _set_active(call, is_active=True)


async def stop(call: Call[None]) -> dict[str, Any]:
    """Have no message address the agent."""
    return await _set_active(call, is_active=False)


async def panels(call: Call[None]) -> list[Any]:
    """Answer that the agent has no pages of its own."""
    await agents.require(call.ctx, call.principal, call.agent_id)
    return []


async def _set_active(call: Call[None], *, is_active: bool) -> dict[str, Any]:
    profile = await agents.change(call.ctx, Change(call.principal, call.agent_id, is_active=is_active))
    return {
        "id": profile.id,
        "name": profile.name,
        "status": character_wire.status(profile),
        "message": "Agent started" if is_active else "Agent stopped",
    }


def _draft(call: Call[Any], agent_id: str, said: character_wire.ChangeCharacter) -> CharacterDraft:
    return CharacterDraft(call.principal, agent_id, said.name, said.bio, said.settings, said.fields)
