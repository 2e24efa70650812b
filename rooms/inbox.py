"""An agent's inbox: what a log says of its runs, told as what there is to do, and what is to be left alone.

Nothing is kept for it: it is read from the log, with the positions of every other door. But a run is told as
it is now, with its message, and one that waits no longer is not told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
from sqlalchemy import Connection

from rooms import payloads, replay, rules, store
from rooms.context import Context
from rooms.cursors import Cursor
from rooms.errors import agent_not_found
from rooms.principals import Kind, Principal, Scope
from rooms.replay import Placed, Reader, Start
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
    is_its_reader = principal.id == agent_id or principal.may(Scope.MESSAGES_READ)
    if known is None or known.kind != Kind.AGENT or not is_its_reader:
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


async def next_page(ctx: Context, reader: Reader) -> list[Placed] | None:
    """Return what the agent is to be told next, and move its cursor behind that; None in the present."""
    page = await replay.next_page(ctx, reader)
    if not page:
        return page
    found = [(placed, run) for placed in page if (run := _find_told(placed, reader.principal.id))]
    if len(found) > MAX_TOLD:
        found = found[:MAX_TOLD]
        reader.cursor = found[-1][0].cursor
    waiting = await _find_waiting(ctx, [run["id"] for _, run in found if run["state"] == State.QUEUED])
    told = []
    for placed, run in found:
        if run["state"] != State.QUEUED:
            told.append(_retold(placed, "run_ended", {"run": run}))
        elif run["id"] in waiting:
            told.append(_retold(placed, "run", waiting[run["id"]]))
    return told


def _find_told(placed: Placed, agent_id: str) -> dict[str, Any] | None:
    """Return the run of which the entry tells that it waits for the agent, or that it is to be left alone."""
    if placed.entry.kind != "run":
        return None
    run: dict[str, Any] = orjson.loads(placed.entry.payload)["run"]
    is_told = run["agent_id"] == agent_id and (run["state"] == State.QUEUED or _is_taken_away(run))
    return run if is_told else None


def _is_taken_away(run: dict[str, Any]) -> bool:
    """Tell whether the run has ended otherwise than by what its agent said, and the agent may know of it."""
    state, reason = run["state"], run["reason"]
    has_failed = state == State.FAILED and reason != Reason.AGENT_ERROR
    return has_failed or state in (State.CANCELLED, State.TIMED_OUT)


async def _find_waiting(ctx: Context, run_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return those of the runs that still wait, each with its message, by id."""

    def read(connection: Connection) -> dict[str, dict[str, Any]]:
        queued = [run for run in store.runs.find(connection, run_ids).values() if run.state == State.QUEUED]
        messages = store.messages.find(connection, {run.message_id for run in queued})
        return {run.id: payloads.envelope(run, messages[run.message_id]) for run in queued}

    return await ctx.database.read(read) if run_ids else {}


def _retold(placed: Placed, kind: str, payload: dict[str, Any]) -> Placed:
    return placed._replace(entry=placed.entry._replace(kind=kind, payload=orjson.dumps(payload)))
