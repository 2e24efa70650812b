"""REST: where an agent's runs are sent."""

from __future__ import annotations

from typing import Any

from handlers import webhook_wire
from handlers.http import Call
from rooms import webhooks


async def put(call: Call[webhook_wire.PutWebhook]) -> dict[str, Any]:
    """Send an agent's runs to a URL, and answer the secret that they are signed with."""
    made = await webhooks.put(call.ctx, call.principal, call.agent_id, call.body.url)
    return {**webhook_wire.webhook(made.webhook), "secret": made.secret}


async def get(call: Call[None]) -> dict[str, Any]:
    """Answer where an agent's runs are sent."""
    return webhook_wire.webhook(await webhooks.require(call.ctx, call.principal, call.agent_id))


async def remove(call: Call[None]) -> dict[str, Any]:
    """Send an agent's runs nowhere any more, and answer what its webhook was."""
    return webhook_wire.webhook(await webhooks.remove(call.ctx, call.principal, call.agent_id))
