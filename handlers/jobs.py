"""REST: questions to agents that are asked now and looked after later. Their answers stand alone."""

from __future__ import annotations

import asyncio
from typing import Any

from handlers import job_wire
from handlers.http import Call
from handlers.parsing import one_of, page_size
from handlers.waiting import following_channel, next_shown, read_wait
from rooms import jobs, keys, replay
from rooms.job_status import Status, status_of
from rooms.jobs import Report
from rooms.rules import DEFAULT_SERVER_ID

_TO_BE_SURE = 0.01  # seconds; clocks and timers do not agree to the millisecond


async def create(call: Call[job_wire.CreateJob]) -> dict[str, Any]:
    """Ask an agent, and answer under which id the job is found."""
    job = await jobs.create(call.ctx, call.body.draft(call.principal))
    return job_wire.new_job(job, call.ctx.now())


async def get(call: Call[None]) -> dict[str, Any]:
    """Answer a job, with ``wait`` as soon as it is over."""
    seconds = read_wait(call)
    report = await _look_up(call)
    if seconds and _left(call, report):
        report = await _wait(call, report, seconds)
    return job_wire.details(report, call.ctx.now())


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


async def _look_up(call: Call[Any]) -> Report:
    return await jobs.require(call.ctx, call.principal, call.path_id("job_id"))


def _left(call: Call[Any], report: Report) -> float:
    """Return for how many seconds the job may still go on; none if it is over."""
    now = call.ctx.now()
    if status_of(report.job, now) is not Status.PROCESSING:
        return 0
    return (report.job.expires_at - now) / 1000 + _TO_BE_SURE


async def _wait(call: Call[Any], report: Report, seconds: float) -> Report:
    """Return the job once it is over, or as it is after so many seconds; looked up when something happens."""
    clock = asyncio.get_running_loop().time
    until = clock() + seconds
    async with following_channel(call, DEFAULT_SERVER_ID, report.job.channel_id) as follower:
        report = await _look_up(call)
        while left := _left(call, report):
            if not await next_shown(call, follower, replay.next_page, min(left, until - clock())):
                break
            report = await _look_up(call)
    await keys.require_current(call.ctx, call.principal)
    return await _look_up(call)
