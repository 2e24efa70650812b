"""Checkpoints: what was streamed of replies, written down once a second.

So a run whose agent speaks is known to be alive, any node can end it with what was said, and a restart
loses at most a second of that.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from rooms import leases, store
from rooms.context import Context
from rooms.streams import Checkpoint
from rooms.transaction import Transaction, one_by_one


async def load(ctx: Context) -> None:
    """Open the streams that were open when the process before this one ended."""
    for run in await ctx.database.read(store.runs.list_streaming):
        ctx.streams.open(run)


async def save(ctx: Context) -> None:
    """Write down what was said since the last time."""
    streams = ctx.streams.list_unsaved()
    checkpoints = [stream.checkpoint() for stream in streams]
    outcomes = await ctx.journal.append(
        _write_all, checkpoints, [(stream.run.server_id,) for stream in streams]
    )
    for stream, checkpoint, outcome in zip(streams, checkpoints, outcomes, strict=True):
        if outcome is True:
            stream.saved = max(stream.saved, checkpoint.chunks)
        elif outcome is False:
            ctx.streams.close(checkpoint.run_id)


@asynccontextmanager
async def holding(ctx: Context, *run_ids: str) -> AsyncIterator[None]:
    """Let nothing be added to the replies of runs until the block, which ends the runs, is over.

    What was said until now is written ahead of whatever the block writes.
    """
    async with AsyncExitStack() as stack:
        for stream in filter(None, map(ctx.streams.find, run_ids)):
            await stack.enter_async_context(stream.lock)
            if stream.is_unsaved and not stream.is_over:
                ctx.journal.begin(_write_all, stream.checkpoint(), stream.run.server_id)
        yield


def _write(transaction: Transaction, checkpoint: Checkpoint) -> bool:
    """Write down what was said, which is a sign of the run; tell whether the run is open."""
    run = store.runs.find(transaction.connection, [checkpoint.run_id]).get(checkpoint.run_id)
    if run is None or run.due_at is None:
        return False
    if checkpoint.chunks > run.chunks:
        run = run._replace(partial=checkpoint.text, chunks=checkpoint.chunks)
    leases.renew(transaction, run, heard_at=checkpoint.heard_at)
    return True


_write_all = one_by_one(_write)
