"""Chunks of replies, over REST and native Socket.IO.

Going on with a reply takes from no bucket: what a reply may have bounds it. Beginning one does, and so
does whatever is refused because there is no such reply.
"""

from __future__ import annotations

from typing import Any

from handlers import run_wire
from handlers.connection import Connection
from handlers.http import Call, Gate
from rooms import chunks
from rooms.chunks import Chunk
from rooms.completion import Sign
from rooms.streams import Stream


async def say(call: Call[run_wire.Chunk]) -> dict[str, Any]:
    """Add a chunk to the reply of a run, and answer how far that has come."""
    body = call.body
    sign = Sign(call.principal, call.path_id("run_id"), fence=body.fence)
    return _answer(await chunks.say(call.ctx, Chunk(sign, body.index, body.chunk)))


async def say_event(gate: Gate, connection: Connection, body: run_wire.ChunkEvent) -> dict[str, Any]:
    """Add a chunk to the reply that will have the message's id."""
    run_id = await _find_run(gate, connection, body)
    sign = Sign(connection.principal, run_id, connection.pid_id, body.fence)
    return _answer(await chunks.say(gate.ctx, Chunk(sign, body.index, body.chunk, connection)))


async def _find_run(gate: Gate, connection: Connection, body: run_wire.ChunkEvent) -> str:
    """Return the id of the run that is meant; charge unless its reply is open to the principal."""
    streams, principal = gate.ctx.streams, connection.principal
    stream = streams.find_reply(body.message_id)
    is_open = stream is not None and stream.run.channel_id == body.channel_id
    if stream is not None and is_open and streams.is_free(principal, stream.run.id):
        return stream.run.id
    await gate.limits.charge_read(principal)
    return await chunks.find_run(gate.ctx, principal, body.message_id, body.channel_id)


def _answer(stream: Stream) -> dict[str, Any]:
    return {
        "run_id": stream.run.id,
        "message_id": stream.run.reply_id,
        "next": stream.next_index,
        "fence": stream.run.fence,
    }
