"""Chunks of a reply, as its agent says them: in order, each once, and shown to everybody at once.

The first one moves the run to ``streaming``, which is durable; what follows waits for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from rooms import completion, rules, run_lookup, runs, store
from rooms.completion import Sign
from rooms.context import Context
from rooms.errors import Conflict, NotFound, ValidationFailed
from rooms.principals import Principal
from rooms.runs import State
from rooms.streams import Stream
from rooms.transaction import Transaction, one_by_one

# So much of what was said before a chunk is looked at with it, where scripts are refused.
SCRIPT_LENGTH = 4_096


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a run's reply, and its index from 0 on.

    ``sender`` is the connection that it came from, which is not told of it.
    """

    sign: Sign
    index: int
    text: str
    sender: object = None


async def say(ctx: Context, chunk: Chunk) -> Stream:
    """Add the chunk to the reply, show it to everybody, and return the stream.

    One that was said before changes nothing. Raises NotFound without the run, PermissionDenied for
    whoever is not its agent, Conflict if the run is over, if another process has it, or if the chunk
    is not the next one, ValidationFailed if the reply gets too long.
    """
    stream = ctx.streams.find(chunk.sign.run_id)
    if stream is None or not stream.is_open_to(chunk.sign.principal):
        stream = await _begin(ctx, chunk)
    async with stream.lock:
        if stream.is_over:
            raise await _has_ended(ctx, chunk.sign)
        _require_holder(stream, chunk.sign)
        _require_place(chunk, stream.next_index)
        if chunk.index == stream.next_index:
            _require_sound(ctx, stream, chunk.text)
            ctx.streams.add(stream, chunk.text, ctx.now(), chunk.sender)
    return stream


async def find_run(ctx: Context, principal: Principal, reply_id: str, channel_id: str) -> str:
    """Return the id of the run whose reply has this id; raise NotFound if the principal sees none there."""
    found = await ctx.database.read(lambda connection: store.runs.find_by_replies(connection, [reply_id]))
    run = found.get(reply_id)
    if run is None or run.channel_id != channel_id:
        raise NotFound(f"No run in this channel has the reply '{reply_id}'", message="Run not found")
    return (await run_lookup.require(ctx, principal, run.id)).id


async def _begin(ctx: Context, chunk: Chunk) -> Stream:
    """Let the run stream, if it does not yet, and return its stream."""
    run = await run_lookup.require(ctx, chunk.sign.principal, chunk.sign.run_id)
    await ctx.journal.append_one(_begin_all, chunk, run.server_id)
    stream = ctx.streams.find(run.id)
    if stream is None:
        raise await _has_ended(ctx, chunk.sign)
    return stream


async def _has_ended(ctx: Context, sign: Sign) -> Conflict:
    return runs.has_ended(await run_lookup.require(ctx, sign.principal, sign.run_id))


def _require_holder(stream: Stream, sign: Sign) -> None:
    """Raise Conflict for a process of the agent that has not taken the run: two would speak as one."""
    is_holder = sign.holder == stream.run.holder if sign.fence is None else sign.fence == stream.run.fence
    if not is_holder:
        raise Conflict(
            f"Run '{stream.run.id}' was taken by another process of the agent; the one that has taken it "
            "sends the run's 'fence'"
        )


def _require_place(chunk: Chunk, next_index: int) -> None:
    if chunk.index > next_index:
        raise Conflict(f"Chunk {chunk.index} is not the next one; go on with index {next_index}")


def _require_sound(ctx: Context, stream: Stream, text: str) -> None:
    length = stream.length + len(text)
    if length > rules.MAX_AGENT_CONTENT:
        raise ValidationFailed(
            f"A reply must have at most {rules.MAX_AGENT_CONTENT} characters; with this chunk it has {length}"
        )
    if ctx.policy.refuses_executable:
        rules.check_executable(stream.tail(SCRIPT_LENGTH) + text)


def _open(transaction: Transaction, chunk: Chunk) -> None:
    sign = chunk.sign
    run = completion.require_own(transaction, sign)
    if runs.is_over(run):
        raise runs.has_ended(run)
    _require_place(chunk, run.chunks)
    if run.state == State.STREAMING:
        return
    if sign.fence is None:
        run = runs.take(transaction, run, sign.holder)
    runs.stream(transaction, run, chunk.text)


_begin_all = one_by_one(_open)
