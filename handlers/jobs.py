"""REST: questions to agents that are asked now and looked after later. Their answers stand alone."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any

from handlers import job_wire
from handlers.http import Call, Gate
from handlers.later import Later
from handlers.parsing import one_of, page_size
from handlers.waiting import follow_channel, next_shown, read_wait
from rooms import jobs, keys, replay
from rooms.context import Context
from rooms.job_status import Status, status_of
from rooms.jobs import Report
from rooms.principals import Principal
from rooms.rules import DEFAULT_SERVER_ID

_TO_BE_SURE = 0.01  # seconds; clocks and timers do not agree to the millisecond


async def create(call: Call[job_wire.CreateJob]) -> dict[str, Any]:
    """Ask an agent, and answer under which id the job is found."""
    job = await jobs.create(call.ctx, call.body.draft(call.principal))
    return job_wire.new_job(job, call.ctx.now())


async def get(call: Call[None]) -> dict[str, Any] | Later:
    """Answer a job, with ``wait`` as soon as it is over."""
    ctx, gate, principal, seconds = call.ctx, call.gate, call.principal, read_wait(call)
    look_up = functools.partial(jobs.require, ctx, principal, call.path_id("job_id"))
    report = await look_up()
    if seconds and _left(ctx, report):
        return Later(functools.partial(_wait, gate, principal, report.job.channel_id, look_up, seconds))
    return job_wire.details(report, ctx.now())


async def list_all(call: Call[None]) -> dict[str, Any]:
    """Answer the principal's newest jobs."""
    stated = call.query.get("status")
    status = one_of(Status, "status", stated) if stated else None
    limit = page_size(call.query)
    found = await jobs.list_page(call.ctx, call.principal, status, limit)
    return job_wire.page(found, call.ctx.now())


async def health(call: Call[None]) -> dict[str, Any]:
    """Answer how many jobs there are, and how they end."""
    return job_wire.health(await jobs.count(call.ctx), call.ctx.now())


def _left(ctx: Context, report: Report) -> float:
    """Return for how many seconds the job may still go on; none if it is over."""
    now = ctx.now()
    if status_of(report.job, now) is not Status.PROCESSING:
        return 0
    return (report.job.expires_at - now) / 1000 + _TO_BE_SURE


async def _wait(
    gate: Gate, principal: Principal, channel_id: str, look_up: Callable[[], Awaitable[Report]], seconds: int
) -> dict[str, Any]:
    """Return the job once it is over, or as it is after so many seconds; looked up when something happens."""
    ctx, clock = gate.ctx, asyncio.get_running_loop().time
    until = clock() + seconds
    with await follow_channel(gate, principal, DEFAULT_SERVER_ID, channel_id) as follower:
        while left := _left(ctx, await look_up()):
            if not await next_shown(ctx, follower, replay.next_page, min(left, until - clock())):
                break
    await keys.require_current(ctx, principal)
    return job_wire.details(await look_up(), ctx.now())
