"""What stops agents that go on talking with each other, over REST and native Socket.IO."""

from __future__ import annotations

from typing import Any

from handlers import wire
from handlers.connection import Connection
from handlers.http import Call, Gate
from rooms import guard
from rooms.context import Context
from rooms.principals import Principal


async def resume(call: Call[None]) -> dict[str, Any]:
    """Let agents go on in a channel."""
    return await _resume(call.ctx, call.principal, call.path_id("channel_id"))


async def resume_event(gate: Gate, connection: Connection, body: wire.ChannelEvent) -> dict[str, Any]:
    """Let agents go on in a channel."""
    return await _resume(gate.ctx, connection.principal, body.channel_id)


async def _resume(ctx: Context, principal: Principal, channel_id: str) -> dict[str, Any]:
    await guard.resume(ctx, principal, channel_id)
    return {"channel_id": channel_id, "agents_paused": None}
