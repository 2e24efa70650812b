"""REST: a title for a channel, out of what was said in it."""

from __future__ import annotations

from typing import Any

from handlers.history import Bounds
from handlers.http import Call
from handlers.title_wire import GenerateTitle
from rooms import agents, history, titles

TOO_FEW = "Not enough messages to generate a title"
NO_WORDS = "No words were said"


async def generate(call: Call[GenerateTitle]) -> dict[str, Any]:
    """Answer a title, or why there is none; nothing is renamed by that."""
    channel_id = call.path_id("channel_id")
    bounds = Bounds(call)
    window = bounds.window(newest_first=True)
    page = await history.of_channel(call.ctx, call.principal, channel_id, window, bounds.positions)
    await agents.require(call.ctx, call.principal, call.body.agentId)
    if len(page.messages) < titles.MIN_MESSAGES:
        return {"title": None, "channelId": channel_id, "reason": TOO_FEW}
    title = titles.find_title(page.messages, call.body.agentId)
    return {"title": title, "channelId": channel_id, **({} if title else {"reason": NO_WORDS})}
