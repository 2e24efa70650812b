"""REST: what an agent does with messages, as elizaOS's clients look at it."""

from __future__ import annotations

from typing import Any

from handlers import run_summary_wire
from handlers.http import Call
from handlers.parsing import one_of, page_size, whole_number
from handlers.run_summary_wire import STATES, Status
from rooms import agents, run_lookup
from rooms.errors import run_not_found
from rooms.run_lookup import Filter

DEFAULT_PAGE = 20
DEFAULT_LOG = 50
MAX_PAGE = 100

_TYPE = "run_event"


async def list_page(call: Call[None]) -> dict[str, Any]:
    """Answer the newest runs of an agent that the principal may see."""
    agent = await agents.require(call.ctx, call.principal, call.agent_id)
    status = one_of(Status, "status", call.query.get("status", Status.ALL))
    wish = Filter(
        channel_id=_room(call),
        agent_id=agent.id,
        states=STATES[status],
        limit=page_size(call.query, DEFAULT_PAGE, MAX_PAGE),
        since=_time(call, "from"),
        until=_time(call, "to"),
    )
    found, total = await run_lookup.list_counted(call.ctx, call.principal, wish)
    return {
        "runs": [run_summary_wire.summary(run) for run in found],
        "total": total,
        "hasMore": total > len(found),
    }


async def get(call: Call[None]) -> dict[str, Any]:
    """Answer one run of an agent, and what happened in it."""
    run_id = call.path_id("run_id")
    found = await run_lookup.require(call.ctx, call.principal, run_id)
    if found.agent_id != call.agent_id or _room(call) not in (None, found.channel_id):
        raise run_not_found(run_id)
    return run_summary_wire.detail(found)


async def log(call: Call[None]) -> list[dict[str, Any]]:
    """Answer which of an agent's newest runs have begun, and ended."""
    agent = await agents.require(call.ctx, call.principal, call.agent_id)
    asked = "count" if "count" in call.query else "limit"
    limit = max(1, whole_number(call.query, asked, DEFAULT_LOG, MAX_PAGE))
    passed_over = whole_number(call.query, "offset", 0, MAX_PAGE)
    if call.query.get("type", _TYPE) != _TYPE or _TYPE in call.query.getall("excludeTypes", []):
        return []
    wish = Filter(channel_id=_room(call), agent_id=agent.id, limit=limit + passed_over)
    found = await run_lookup.list_page(call.ctx, call.principal, wish)
    said = [entry for run in found for entry in run_summary_wire.entries(run)]
    said.sort(key=lambda entry: int(entry["createdAt"]), reverse=True)
    return said[passed_over : passed_over + limit]


def _room(call: Call[None]) -> str | None:
    stated = call.query.get("roomId")
    return stated.lower() if stated else None


def _time(call: Call[None], name: str) -> int | None:
    return whole_number(call.query, name, 0) if call.query.get(name) else None
