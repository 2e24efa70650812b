"""REST: the secrets of agents and platforms, and what was done with them."""

from __future__ import annotations

from typing import Any

from handlers import parsing, vault_wire
from handlers.http import Call
from rooms import rules, uses, vault
from rooms.store.vault import UseFilter


async def put(call: Call[vault_wire.PutSecret]) -> dict[str, Any]:
    """Keep a secret, and answer all of it but what it is."""
    kept = await vault.put(call.ctx, call.principal, call.path["name"], call.body.value)
    return vault_wire.secret(kept)


async def list_page(call: Call[None]) -> dict[str, Any]:
    """Answer which secrets there are."""
    after = parsing.name(call.query, "after") or ""
    found = await vault.list_page(call.ctx, call.principal, after, parsing.page_size(call.query))
    return {"secrets": [vault_wire.secret(kept) for kept in found]}


async def remove(call: Call[None]) -> dict[str, Any]:
    """Forget a secret, and answer what was known of it."""
    return vault_wire.secret(await vault.remove(call.ctx, call.principal, call.path["name"]))


async def grant(call: Call[None]) -> dict[str, Any]:
    """Let a secret be used for an agent."""
    agent_id = call.agent_id
    return vault_wire.secret(await vault.grant(call.ctx, call.principal, call.path["name"], agent_id))


async def withdraw(call: Call[None]) -> dict[str, Any]:
    """Let a secret be used for an agent no more."""
    agent_id = call.agent_id
    return vault_wire.secret(await vault.withdraw(call.ctx, call.principal, call.path["name"], agent_id))


async def list_uses(call: Call[None]) -> dict[str, Any]:
    """Answer who has used which secret for what, and what came of it."""
    agent_id = parsing.name(call.query, "agent_id")
    wanted = UseFilter(parsing.name(call.query, "name"), rules.entity_id(agent_id) if agent_id else None)
    before = parsing.name(call.query, "before")
    found = await uses.list_page(call.ctx, call.principal, wanted, before, parsing.page_size(call.query))
    return {"uses": [vault_wire.use(use) for use in found]}
