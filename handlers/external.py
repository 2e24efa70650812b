"""REST: what users of other platforms say, and waiting for what the agent says to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from handlers import external_wire, preferences
from handlers.http import Answer, Call
from handlers.preferences import Preferences
from handlers.waiting import MAX_WAIT, read_wait, until_over
from rooms import conversations, external, run_lookup, runs
from rooms.external import ExternalDraft, Received
from rooms.rows import Run


async def process(call: Call[external_wire.ExternalMessage]) -> Answer:
    """Store what was said, and answer with the agent's reply, or with how its run stands after the wait."""
    preferred = preferences.read(call.request, MAX_WAIT)
    if "wait" in call.query:
        preferred = preferred._replace(seconds=None)  # what the URL says goes before the header
    seconds = _seconds(call, preferred)
    draft = call.body.draft(call.principal)
    received = await _wait(call, draft, await external.receive(call.ctx, draft), seconds)
    run = received.run
    is_open = run is not None and not runs.is_over(run)
    reply = None if run is None or is_open else await conversations.find_reply(call.ctx, run)
    status = 202 if preferred.is_async and is_open else 200
    return Answer(external_wire.processed(received, reply), status, preferred.applied())


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


async def _wait(call: Call[Any], draft: ExternalDraft, received: Received, seconds: int) -> Received:
    """Return what was received with its run as it is when it is over, or after so many seconds."""
    run = received.run
    if run is None or runs.is_over(run) or not seconds:
        return received
    run_id = run.id

    async def look_up() -> Sequence[Run]:
        return [await run_lookup.require(call.ctx, draft.speaker, run_id)]

    (run,) = await until_over(call, look_up, seconds)
    return received._replace(run=run)
