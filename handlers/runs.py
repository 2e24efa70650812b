"""Runs, over REST and native Socket.IO: taken, kept alive, completed, cancelled, and looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from handlers import run_wire
from handlers.connection import Connection
from handlers.http import Call, Gate
from handlers.parsing import one_of, page_size
from handlers.waiting import RunsWait, read_wait
from rooms import completion, edits, payloads, rules, run_lookup
from rooms.completion import Completed, Completion, Envelope, Sign
from rooms.context import Context
from rooms.edits import Target
from rooms.principals import Principal
from rooms.rows import Run
from rooms.run_lookup import Filter, Prompt
from rooms.runs import State


async def list_all(call: Call[None]) -> dict[str, Any]:
    """Answer the newest runs that the principal may see."""
    found = await run_lookup.list_page(call.ctx, call.principal, _filter(call))
    return {"runs": [payloads.run(run) for run in found]}


async def get(call: Call[None]) -> Any:
    """Answer one run, with ``wait`` as soon as it is over."""
    ctx, principal, run_id = call.ctx, call.principal, _run_id(call)

    async def look_up() -> Sequence[Run]:
        return [await run_lookup.require(ctx, principal, run_id)]

    async def tell(found: Sequence[Run]) -> dict[str, Any]:
        return payloads.run(found[0])

    return await RunsWait(call.gate, principal, look_up, tell).answer(await look_up(), read_wait(call))


async def list_of_message(call: Call[None]) -> Any:
    """Answer the runs that a message has opened, the first first, with ``wait`` as soon as all are over."""
    ctx, target = call.ctx, Target(call.principal, call.path_id("message_id"))

    async def look_up() -> Sequence[Run]:
        message = await edits.require(ctx, target)
        return await run_lookup.list_of_message(ctx, target.principal, message)

    async def tell(found: Sequence[Run]) -> dict[str, Any]:
        return {"runs": [payloads.run(run) for run in found]}

    wait = RunsWait(call.gate, target.principal, look_up, tell)
    return await wait.answer(await look_up(), read_wait(call))


async def claim(call: Call[run_wire.Claim]) -> dict[str, Any]:
    """Take a run and answer it with its message."""
    return envelope(await completion.claim(call.ctx, _sign(call, holder=call.body.holder or "")))


async def progress(call: Call[run_wire.Progress]) -> dict[str, Any]:
    """Give a sign of a run."""
    return payloads.run(await completion.progress(call.ctx, _sign(call, fence=call.body.fence)))


async def cancel(call: Call[run_wire.Cancel]) -> dict[str, Any]:
    """End a run before it is done."""
    return payloads.run(await completion.cancel(call.ctx, _sign(call)))


async def complete(call: Call[run_wire.Complete]) -> dict[str, Any]:
    """End a run as its agent tells it."""
    return await _complete(call.ctx, call.principal, call.body)


async def claim_event(gate: Gate, connection: Connection, body: run_wire.ClaimEvent) -> dict[str, Any]:
    """Take a run; a client that comes back is known to have it still."""
    holder = body.holder or connection.pid_id
    return envelope(await completion.claim(gate.ctx, Sign(connection.principal, body.run_id, holder)))


async def progress_event(gate: Gate, connection: Connection, body: run_wire.ProgressEvent) -> dict[str, Any]:
    """Give a sign of a run."""
    sign = Sign(connection.principal, body.run_id, connection.pid_id, body.fence)
    return payloads.run(await completion.progress(gate.ctx, sign))


async def cancel_event(gate: Gate, connection: Connection, body: run_wire.CancelEvent) -> dict[str, Any]:
    """End a run before it is done."""
    return payloads.run(await completion.cancel(gate.ctx, Sign(connection.principal, body.run_id)))


async def complete_event(gate: Gate, connection: Connection, body: run_wire.Complete) -> dict[str, Any]:
    """End a run as its agent tells it."""
    return await _complete(gate.ctx, connection.principal, body)


def envelope(taken: Envelope) -> dict[str, Any]:
    """Return a run with its message, and what proves who has taken it."""
    return payloads.envelope(taken.run, taken.message) | {"fence": taken.run.fence}


async def _complete(ctx: Context, principal: Principal, body: run_wire.Complete) -> dict[str, Any]:
    run_id = await _find(ctx, principal, body)
    if run_id is None:
        return {"success": True, "response": "", "run": None}
    sign = Sign(principal, run_id, fence=body.fence)
    return _answer(await completion.complete(ctx, Completion(sign, body.response, body.has_failed)))


async def _find(ctx: Context, principal: Principal, body: run_wire.Complete) -> str | None:
    """Return the id of the run that is meant; elizaOS's agents tell of an end even if there is no run."""
    if body.run_id is not None:
        return body.run_id
    if body.messageId is not None:
        found = await run_lookup.find_of_message(ctx, principal, body.messageId)
        return found.id if found else None
    if body.channel_id is not None:
        found = await run_lookup.find_in_channel(ctx, principal, body.channel_id)
        return found.id if found else None
    prompt = Prompt(body.agentId or "", body.roomId or "", body.userId or "", body.prompt or "")
    return (await run_lookup.require_by_prompt(ctx, principal, prompt)).id


def _answer(completed: Completed) -> dict[str, Any]:
    return {"success": True, "response": completed.response, "run": payloads.run(completed.run)}


def _sign(call: Call[Any], *, holder: str = "", fence: int | None = None) -> Sign:
    return Sign(call.principal, _run_id(call), holder, fence)


def _run_id(call: Call[Any]) -> str:
    return call.path_id("run_id")


def _filter(call: Call[None]) -> Filter:
    query = call.query
    channel_id, agent_id, before = query.get("channel_id"), query.get("agent_id"), query.get("before")
    return Filter(
        channel_id=channel_id.lower() if channel_id is not None else None,
        agent_id=rules.entity_id(agent_id) if agent_id is not None else None,
        states=[one_of(State, "state", text) for text in query.get("state", "").split(",") if text],
        before=before.lower() if before else None,
        limit=page_size(query),
    )
