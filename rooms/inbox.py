"""An agent's inbox: what a log says of its runs, told as what there is to do, and what is to be left alone.

Nothing is kept for it: it is read from the log, with the positions of every other door. But a run is told as
it is now, with its message, and one that waits no longer is not told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection

from rooms import access, approvals, payloads, replay, rules, runs, store
from rooms.context import Context
from rooms.cursors import Cursor
from rooms.errors import agent_not_found
from rooms.principals import Kind, Principal
from rooms.replay import Placed, Reader, Start
from rooms.rows import Message, Run
from rooms.runs import Reason, State

# A run that waits is told with its message, which may weigh a hundred times what its entry does.
MAX_TOLD = 50


async def enter(ctx: Context, principal: Principal, agent_id: str) -> Principal:
    """Return the agent whose inbox the principal reads, and as whom it reads: the agent is there by that.

    Raises NotFound unless there is that agent, and the principal is it, or may read everything.
    """
    try:
        agent_id = rules.principal_id(agent_id)
    except ValueError:
        raise agent_not_found(agent_id) from None
    known = await ctx.entities.find(agent_id)
    if known is None or known.kind != Kind.AGENT or not access.may_read_as(principal, agent_id):
        raise agent_not_found(agent_id)
    return replace(principal, id=agent_id, kind=Kind.AGENT, scopes=frozenset())


async def find_start(ctx: Context, agent_id: str, server_id: str, stated: Cursor | None) -> Start:
    """Return where the agent begins: where it was, or before the oldest run that waits for it.

    Raises NotFound without the server.
    """
    start = await replay.find_start(ctx, server_id, stated)
    if stated is not None and start.resync is None:
        return start
    oldest = await ctx.database.read(
        lambda connection: store.runs.find_oldest_queued(connection, server_id, agent_id)
    )
    if oldest is None or oldest > start.cursor.seq:
        return start
    before = max(oldest - 1, start.server.floor_seq)
    return replace(start, cursor=start.cursor._replace(seq=before))


class _Concern(NamedTuple):
    """An entry that may concern the agent: what it would be told, and about which run."""

    placed: Placed
    kind: str
    run_id: str
    payload: dict[str, Any]


async def next_page(ctx: Context, reader: Reader) -> list[Placed] | None:
    """Return what the agent is to be told next, and move its cursor behind that; None in the present."""
    page = await replay.next_page(ctx, reader)
    if not page:
        return page
    found = [concern for placed in page if (concern := _find_concern(placed, reader.principal.id))]
    if len(found) > MAX_TOLD:
        found = found[:MAX_TOLD]
        reader.cursor = found[-1].placed.cursor
    return await _tell(ctx, reader.principal.id, found)


def _find_concern(placed: Placed, agent_id: str) -> _Concern | None:
    """Return what an entry would tell the agent: of a run that waits, or is over; or that it may go on."""
    if placed.entry.kind not in ("run", "approval"):
        return None
    payload: dict[str, Any] = orjson.loads(placed.entry.payload)
    if placed.entry.kind == "approval":
        is_told = payload["run_id"] and payload["approval"]["state"] != approvals.State.REQUESTED
        return _Concern(placed, "approval", payload["run_id"], payload) if is_told else None
    run = payload["run"]
    if run["agent_id"] != agent_id:
        return None
    if run["state"] == State.QUEUED:
        return _Concern(placed, "run", run["id"], {})
    return _Concern(placed, "run_ended", run["id"], {"run": run}) if _is_taken_away(run) else None


def _is_taken_away(run: dict[str, Any]) -> bool:
    """Tell whether the run has ended otherwise than by what its agent said, and the agent may know of it."""
    state, reason = run["state"], run["reason"]
    has_failed = state == State.FAILED and reason != Reason.AGENT_ERROR
    return has_failed or state in (State.CANCELLED, State.TIMED_OUT)


async def _tell(ctx: Context, agent_id: str, found: Sequence[_Concern]) -> list[Placed]:
    """Return what there is to tell still: of runs that wait, or go on, as they are now."""
    asked = {concern.run_id for concern in found if concern.kind != "run_ended"}

    def read(connection: Connection) -> tuple[dict[str, Run], dict[str, Message]]:
        known = store.runs.find(connection, asked)
        waiting = {run.message_id for run in known.values() if run.state == State.QUEUED}
        return known, store.messages.find(connection, waiting)

    known, messages = await ctx.database.read(read) if asked else ({}, {})
    told = []
    for concern in found:
        run = known.get(concern.run_id)
        if concern.kind == "run_ended":
            told.append(_retold(concern, concern.payload))
        elif concern.kind == "run" and run is not None and run.state == State.QUEUED:
            told.append(_retold(concern, payloads.envelope(run, messages[run.message_id])))
        elif concern.kind == "approval" and run is not None and _goes_on(run, agent_id):
            told.append(_retold(concern, {**concern.payload, "run": payloads.run(run)}))
    return told


def _goes_on(run: Run, agent_id: str) -> bool:
    return run.agent_id == agent_id and not runs.is_over(run)


def _retold(concern: _Concern, payload: dict[str, Any]) -> Placed:
    entry = concern.placed.entry._replace(kind=concern.kind, payload=orjson.dumps(payload))
    return concern.placed._replace(entry=entry)
