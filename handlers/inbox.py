"""REST: an agent's inbox, as a stream of server-sent events or by asking again and again."""

from __future__ import annotations

from typing import Any

from handlers import stream
from handlers.following import Reading
from handlers.http import Call
from handlers.later import EventSource, Later
from rooms import inbox


async def read(call: Call[None]) -> EventSource | Later | dict[str, Any]:
    """Answer what the agent has to do or to leave alone, for ever, or with ``wait`` what comes next."""
    agent = await inbox.enter(call.ctx, call.principal, call.path["agent_id"])
    wish = stream.read_wish(call)
    start = await inbox.find_start(call.ctx, agent.id, wish.server_id, wish.read_cursor(call.ctx))
    return await stream.answer(call, Reading(agent, wish, start, inbox.next_page))
