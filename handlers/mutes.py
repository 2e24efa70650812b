"""Which agents are not to answer in a channel, over REST and native Socket.IO."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from handlers import agent_wire
from handlers.connection import Connection
from handlers.http import Call, Gate
from rooms import mutes, payloads
from rooms.context import Context
from rooms.mutes import Muting
from rooms.policy import MINUTE_MS


async def mute(call: Call[agent_wire.MuteAgent]) -> dict[str, Any]:
    """Mute an agent in a channel."""
    return await _mute(call.ctx, _wish(call), call.body)


async def unmute(call: Call[None]) -> dict[str, Any]:
    """Let an agent answer in a channel again."""
    return await _unmute(call.ctx, _wish(call))


async def list_all(call: Call[None]) -> dict[str, Any]:
    """Answer which agents are muted in a channel."""
    found = await mutes.list_of(call.ctx, call.principal, call.path_id("channel_id"))
    return {"mutes": [payloads.mute(mute) for mute in found]}


async def mute_event(gate: Gate, connection: Connection, body: agent_wire.MuteEvent) -> dict[str, Any]:
    """Mute an agent in a channel."""
    return await _mute(gate.ctx, Muting(connection.principal, body.channel_id, body.agent_id), body)


async def unmute_event(gate: Gate, connection: Connection, body: agent_wire.AgentEvent) -> dict[str, Any]:
    """Let an agent answer in a channel again."""
    return await _unmute(gate.ctx, Muting(connection.principal, body.channel_id, body.agent_id))


async def _mute(ctx: Context, wish: Muting, body: agent_wire.MuteAgent) -> dict[str, Any]:
    until = body.until if body.minutes is None else ctx.now() + body.minutes * MINUTE_MS
    return payloads.mute(await mutes.mute(ctx, replace(wish, reason=body.reason, until=until)))


async def _unmute(ctx: Context, wish: Muting) -> dict[str, Any]:
    await mutes.unmute(ctx, wish)
    return {"channel_id": wish.channel_id, "agent_id": wish.agent_id}


def _wish(call: Call[Any]) -> Muting:
    agent_id = call.agent_id
    return Muting(call.principal, call.path_id("channel_id"), agent_id)
