"""REST: what users of other platforms say, and waiting for what the agent says to it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from handlers import external_wire, preferences
from handlers.http import Answer, Call
from handlers.preferences import Preferences
from handlers.waiting import MAX_WAIT, RunsWait, read_wait
from rooms import conversations, external, run_lookup, runs
from rooms.context import Context
from rooms.external import Received
from rooms.principals import Principal
from rooms.rows import Run


async def process(call: Call[external_wire.ExternalMessage]) -> Any:
    """Store what was said, and answer with the agent's reply, or with how its run stands after the wait."""
    preferred = preferences.read(call.request, MAX_WAIT)
    if "wait" in call.query:
        preferred = preferred._replace(seconds=None)  # what the URL says goes before the header
    seconds = _seconds(call, preferred)
    draft = call.body.draft(call.principal)
    received = await external.receive(call.ctx, draft)
    if received.run is None:
        return await _answer(call.ctx, preferred, received)
    look_up = functools.partial(_look_up, call.ctx, draft.speaker, received.run.id)
    tell = functools.partial(_tell, call.ctx, preferred, received)
    return await RunsWait(call.gate, call.principal, look_up, tell).answer([received.run], seconds)


async def ingest(call: Call[external_wire.IngestExternal]) -> dict[str, Any]:
    """Store what was said, and answer that at once; of several messages those before a bad one are stored."""
    drafts = call.body.drafts(call.principal)
    return external_wire.ingested(
        [await external.ingest(call.ctx, draft, call.body.server_id) for draft in drafts]
    )


def _seconds(call: Call[Any], preferred: Preferences) -> int:
    """Return for how many seconds the reply is waited for."""
    if preferred.seconds is not None:
        return read_wait(call, preferred.seconds)
    return read_wait(call, 0 if preferred.is_async else call.ctx.policy.external_wait_seconds)


async def _look_up(ctx: Context, speaker: Principal, run_id: str) -> Sequence[Run]:
    return [await run_lookup.require(ctx, speaker, run_id)]


async def _tell(ctx: Context, preferred: Preferences, received: Received, found: Sequence[Run]) -> Answer:
    return await _answer(ctx, preferred, received._replace(run=found[0]))


async def _answer(ctx: Context, preferred: Preferences, received: Received) -> Answer:
    run = received.run
    is_open = run is not None and not runs.is_over(run)
    reply = None if run is None or is_open else await conversations.find_reply(ctx, run)
    status = 202 if preferred.is_async and is_open else 200
    return Answer(external_wire.processed(received, reply), status, preferred.applied())
