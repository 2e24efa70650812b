"""REST: what was sent to an agent's webhook, or is to be."""

from __future__ import annotations

from typing import Any

from handlers import webhook_wire
from handlers.http import Call
from handlers.parsing import one_of, page_size
from rooms import deliveries, redelivery
from rooms.outbox import State


async def list_page(call: Call[None]) -> dict[str, Any]:
    """Answer what was sent to an agent's webhook, or is to be."""
    state, before = call.query.get("state"), call.query.get("before")
    found = await deliveries.list_page(
        call.ctx,
        call.principal,
        call.agent_id,
        one_of(State, "state", state) if state is not None else None,
        before.lower() if before else None,
        page_size(call.query),
    )
    return {"deliveries": [webhook_wire.delivery(delivery) for delivery in found]}


async def redeliver(call: Call[None]) -> dict[str, Any]:
    """Send the message of a dead delivery again, and answer the new delivery."""
    delivery_id = call.path_id("delivery_id")
    queued = await redelivery.redeliver(call.ctx, call.principal, call.agent_id, delivery_id)
    return webhook_wire.delivery(queued)
