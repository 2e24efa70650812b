"""What becomes of jobs: by the agent's reply, by the end of its run without one, and by the clock."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from rooms import (
    agents,
    channels,
    chunks,
    clearing,
    edits,
    jobs,
    keys,
    participants,
    retention,
    run_lookup,
    store,
)
from rooms.agents import Change
from rooms.approvals import Request
from rooms.chunks import Chunk
from rooms.completion import Sign
from rooms.edits import Target
from rooms.errors import AgentNotFound, Conflict, NotFound, PermissionDenied, ValidationFailed
from rooms.ids import new_id
from rooms.job_status import Status, status_of
from rooms.jobs import JobDraft, Report
from rooms.keys import KeyDraft
from rooms.principals import Kind, Principal, Scope
from rooms.retention import Retention
from rooms.rows import AGENT_ACTION, Job, Run
from tests.unit.journaling import SERVICE
from tests.unit.staging import ANN, BEN, BOT, OTHER_BOT, Stage

DAY = 24 * 60 * 60.0


async def ask(stage: Stage, content: str = "well?", **fields: Any) -> Job:
    """Ask as ann."""
    who: dict[str, Any] = {"principal": ANN, "user_id": ANN.id}
    return await jobs.create(stage.world.ctx, JobDraft(**{**who, "content": content, **fields}))


async def see(stage: Stage, job: Job, who: Principal = ANN) -> Report:
    """Look after a job."""
    return await jobs.require(stage.world.ctx, who, job.id)


async def status(stage: Stage, job: Job) -> Status:
    """Return what has become of a job."""
    return status_of((await see(stage, job)).job, stage.world.ctx.now())


async def run_of(stage: Stage, job: Job) -> Run:
    """Return the run in which a job is answered."""
    assert job.run_id is not None
    return await run_lookup.require(stage.world.ctx, SERVICE, job.run_id)


async def say(stage: Stage, job: Job, content: str, **fields: Any) -> None:
    """Let the agent say something in the job's channel."""
    await stage.say(content, BOT, channel_id=job.channel_id, **fields)


async def test_a_job_is_asked_in_a_channel_of_its_own(stage: Stage) -> None:
    """A dm of the user and the agent, beside the one that they may have, and the job says where."""
    first, second = await ask(stage, metadata={"source": "app"}), await ask(stage)
    channel = await channels.require(stage.world.ctx, ANN, first.channel_id)
    assert (channel.name, channel.type) == (f"job-{first.id}", "DM")
    about = {"jobId": first.id, "agentId": BOT.id, "userId": ANN.id, "isJobChannel": True}
    assert channel.details == about
    present = await participants.list_for(stage.world.ctx, ANN, first.channel_id)
    assert [one.entity_id for one in present] == [ANN.id, BOT.id]
    assert second.channel_id != first.channel_id
    report = await see(stage, first)
    assert report.question is not None
    assert (report.question.content, report.question.author_id) == ("well?", ANN.id)
    assert report.question.details == {"source": "app", "jobId": first.id, "isJobMessage": True}
    assert (report.reply, await status(stage, first)) == (None, Status.PROCESSING)
    assert first.expires_at - first.created_at == jobs.DEFAULT_TIMEOUT_MS


async def test_the_reply_completes_a_job(stage: Stage) -> None:
    """By whatever door, and it takes as long as it takes."""
    by_complete, by_submit = await ask(stage), await ask(stage)
    stage.clock.now += 2
    await stage.complete(await run_of(stage, by_complete), "well.")
    await say(stage, by_submit, "well.")
    for job in (by_complete, by_submit):
        report = await see(stage, job)
        assert report.reply is not None
        assert (report.reply.content, await status(stage, job)) == ("well.", Status.COMPLETED)
        assert report.job.ended_at == job.created_at + 2_000


async def test_that_an_action_is_executed_is_no_reply(stage: Stage) -> None:
    """The next thing that the agent says is; what it says after that changes nothing."""
    job = await ask(stage)
    await say(stage, job, "Executing action: LOOK_UP")
    await say(stage, job, "Executing action: THINK")
    await say(stage, job, "thinking", source_type=AGENT_ACTION)
    assert await status(stage, job) is Status.PROCESSING
    await say(stage, job, "well.")
    await say(stage, job, "and another thing")
    report = await see(stage, job)
    assert report.reply is not None
    assert (report.reply.content, await status(stage, job)) == ("well.", Status.COMPLETED)


async def test_what_is_said_on_the_way_is_no_reply(stage: Stage) -> None:
    """While the agent has the run: neither a remark nor a question to people."""
    job = await ask(stage)
    run = await run_of(stage, job)
    await stage.claim(run)
    await say(stage, job, "one moment")
    now = stage.world.ctx.now()
    await say(stage, job, "shall I?", approval=Request(("yes", "no"), now + 60_000, ()))
    assert await status(stage, job) is Status.PROCESSING
    await stage.complete(run, "well.")
    assert await status(stage, job) is Status.COMPLETED


@pytest.mark.parametrize(
    ("end", "reason"), [({"has_failed": True}, "agent_error"), ({}, "silent")], ids=["failed", "silent"]
)
async def test_an_end_without_a_reply_fails_a_job(stage: Stage, end: dict[str, Any], reason: str) -> None:
    """And the job says why."""
    job = await ask(stage)
    await stage.complete(await run_of(stage, job), **end)
    assert (await see(stage, job)).job.reason == reason
    assert await status(stage, job) is Status.FAILED


async def test_a_part_of_a_reply_fails_a_job(stage: Stage) -> None:
    """What the agent had said before its run timed out is in the channel, and is not taken for the answer."""
    job = await ask(stage, timeout_ms=jobs.MAX_TIMEOUT_MS)
    run = await run_of(stage, job)
    await chunks.say(stage.world.ctx, Chunk(Sign(BOT, run.id, "one"), 0, "it is"))
    await stage.pass_time(31)
    assert (await stage.now(run)).state == "timed_out"
    assert (await stage.world.stored())[-1] == "it is"
    assert ((await see(stage, job)).job.reason, await status(stage, job)) == ("lease", Status.FAILED)


async def test_an_agent_that_is_stopped_fails_a_job_at_once(stage: Stage) -> None:
    """Nobody waits for what cannot come."""
    await agents.change(stage.world.ctx, Change(SERVICE, BOT.id, is_active=False))
    job = await ask(stage, agent_id=BOT.id)
    assert (job.reason, await status(stage, job)) == ("stopped", Status.FAILED)


async def test_a_job_times_out_by_the_clock(stage: Stage) -> None:
    """To the millisecond, without anybody looking; nothing that comes later changes that."""
    job = await ask(stage, timeout_ms=1_000)
    late = await ask(stage, timeout_ms=1_000)
    stage.clock.now += 0.999
    assert await status(stage, job) is Status.PROCESSING
    stage.clock.now += 0.001
    assert await status(stage, job) is Status.TIMEOUT
    await stage.complete(await run_of(stage, job), "too late")
    await stage.complete(await run_of(stage, late), has_failed=True)
    for one in (job, late):
        assert await status(stage, one) is Status.TIMEOUT
        assert (await see(stage, one)).reply is None


async def test_what_came_in_time_stays(stage: Stage) -> None:
    """A completed job does not time out."""
    job = await ask(stage, timeout_ms=1_000)
    await stage.complete(await run_of(stage, job), "well.")
    stage.clock.now += DAY
    assert await status(stage, job) is Status.COMPLETED


async def test_an_agent_is_found_or_that_is_said(stage: Stage) -> None:
    """The one that is named, or else the first that is active."""
    await keys.create(stage.world.ctx, KeyDraft(Kind.AGENT, OTHER_BOT.id, "Another"))
    assert (await ask(stage)).agent_id == OTHER_BOT.id  # by name
    assert (await ask(stage, agent_id=BOT.id)).agent_id == BOT.id
    await agents.change(stage.world.ctx, Change(SERVICE, OTHER_BOT.id, is_active=False))
    assert (await ask(stage)).agent_id == BOT.id
    await agents.change(stage.world.ctx, Change(SERVICE, BOT.id, is_active=False))
    with pytest.raises(AgentNotFound, match="No agents available on server"):
        await ask(stage)
    with pytest.raises(AgentNotFound, match="Agent nobody not found"):
        await ask(stage, agent_id="nobody")
    with pytest.raises(AgentNotFound):
        await ask(stage, agent_id=BEN.id)


async def test_agents_ask_agents(stage: Stage) -> None:
    """But not themselves."""
    await keys.create(stage.world.ctx, KeyDraft(Kind.AGENT, OTHER_BOT.id, "Another"))
    job = await ask(stage, principal=OTHER_BOT, user_id=OTHER_BOT.id, agent_id=BOT.id)
    await stage.complete(await run_of(stage, job), "well.")
    assert (await see(stage, job, OTHER_BOT)).reply is not None
    with pytest.raises(ValidationFailed):
        await ask(stage, principal=BOT, user_id=BOT.id, agent_id=BOT.id)


@pytest.mark.parametrize("by", ["key", "id"])
async def test_a_job_is_made_once(stage: Stage, by: str) -> None:
    """The same again is the same job, and another question under its key or id is a conflict."""
    mark = {by: new_id()}
    first, *rest = await asyncio.gather(*(ask(stage, **mark) for _ in range(5)))
    assert rest == [first] * 4
    with pytest.raises(Conflict):
        await ask(stage, "other", **mark)
    if by == "id":
        with pytest.raises(Conflict):
            await ask(stage, principal=BEN, user_id=BEN.id, **mark)
        assert first.id == mark["id"]
    else:
        assert (await ask(stage, principal=BEN, user_id=BEN.id, **mark)).id != first.id


async def test_nobody_asks_as_another_or_sees_what_others_ask(stage: Stage) -> None:
    """Nor does the agent see the job, which it is not told of; a service sees all."""
    with pytest.raises(PermissionDenied):
        await ask(stage, user_id=BEN.id)
    job = await ask(stage)
    for who in (BEN, BOT):
        with pytest.raises(NotFound):
            await see(stage, job, who)
        assert (await jobs.list_page(stage.world.ctx, who, None, 50)).total == 0
    assert (await see(stage, job, SERVICE)).job == job
    writer = replace(SERVICE, scopes=frozenset({Scope.MESSAGES_WRITE}))
    assert (await ask(stage, principal=writer, user_id="dora")).user_id == "dora"


async def test_an_id_that_nobody_has_is_the_users_own(stage: Stage) -> None:
    """As elizaOS's clients make them up."""
    assert (await ask(stage, user_id=new_id())).user_id == ANN.id


async def test_questions_may_be_long(stage: Stage) -> None:
    """As long as what agents say."""
    job = await ask(stage, "x" * 50_000)
    report = await see(stage, job)
    assert report.question is not None
    assert len(report.question.content) == 50_000


async def test_jobs_are_listed_and_counted_by_what_has_become_of_them(stage: Stage) -> None:
    """The newest first, those of the user alone, and all for a service."""
    made = []
    for number in range(6):
        made.append(await ask(stage, f"{number}?", timeout_ms=1_000 if number == 5 else 60_000))
        stage.clock.now += 0.25
    for job in made[:3]:
        await stage.complete(await run_of(stage, job), "well.")
    await stage.complete(await run_of(stage, made[3]), has_failed=True)
    await ask(stage, principal=BEN, user_id=BEN.id)
    stage.clock.now += 1
    ctx = stage.world.ctx

    async def listed(
        status: Status | None, who: Principal = ANN, limit: int = 50
    ) -> tuple[list[str], int, int]:
        found = await jobs.list_page(ctx, who, status, limit)
        return [report.job.id for report in found.reports], found.total, found.filtered

    ids = [job.id for job in made]
    assert await listed(None) == (ids[::-1], 6, 6)
    assert await listed(None, limit=2) == (ids[:-3:-1], 6, 6)
    assert await listed(Status.COMPLETED) == (ids[2::-1], 6, 3)
    assert await listed(Status.COMPLETED, limit=1) == ([ids[2]], 6, 3)
    assert await listed(Status.FAILED) == ([ids[3]], 6, 1)
    assert await listed(Status.TIMEOUT) == ([ids[5]], 6, 1)
    assert await listed(Status.PROCESSING) == ([ids[4]], 6, 1)
    assert await listed(Status.PENDING) == ([], 6, 0)
    assert (await listed(Status.PROCESSING, SERVICE))[1:] == (7, 2)
    counts, took = await jobs.count(ctx)
    assert counts == {"pending": 0, "processing": 2, "completed": 3, "failed": 1, "timeout": 1}
    assert took == 1_250  # they were made after 0, 0.25 and 0.5 s, and answered after 1.5 s


async def test_what_is_deleted_is_gone_from_the_job(stage: Stage) -> None:
    """What was asked and what was answered stand in their messages alone."""
    job = await ask(stage)
    await stage.complete(await run_of(stage, job), "well.")
    report = await see(stage, job)
    assert report.question is not None
    assert report.reply is not None
    for message in (report.question, report.reply):
        await edits.delete(stage.world.ctx, Target(SERVICE, message.id))
    assert (await see(stage, job))[1:] == (None, None)
    assert await status(stage, job) is Status.COMPLETED


async def test_a_question_that_is_deleted_fails_its_job(stage: Stage) -> None:
    """Its run ends with it."""
    job = await ask(stage)
    await edits.delete(stage.world.ctx, Target(ANN, job.message_id))
    assert (await see(stage, job)).job.reason == "message_deleted"


async def test_jobs_are_forgotten_a_week_after_their_time(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And sooner if there are too many that are over; what was said stays."""
    ctx = stage.world.ctx

    async def left() -> list[str]:
        async for _ in retention.forget(ctx, Retention()):
            pass
        return [report.job.id for report in (await jobs.list_page(ctx, ANN, None, 50)).reports][::-1]

    old, done, *rest = [await ask(stage, f"{number}?") for number in range(5)]
    stage.clock.now += 1
    await stage.complete(await run_of(stage, done), "well.")
    everything = [job.id for job in (old, done, *rest)]
    assert sorted(await left()) == sorted(everything)
    monkeypatch.setattr(jobs, "KEPT_JOBS", 2)
    assert done.id not in await left()
    assert len(await left()) == 4  # nobody has answered them yet
    monkeypatch.undo()
    stage.clock.now += 29 + 7 * DAY
    assert len(await left()) == 4
    stage.clock.now += 0.001
    assert await left() == []
    found = await ctx.database.read(lambda connection: store.messages.find(connection, [old.message_id]))
    assert found[old.message_id].content == "0?"


async def test_a_job_goes_with_its_channel(stage: Stage) -> None:
    """Nothing is left of it."""
    job = await ask(stage)
    await clearing.delete(stage.world.ctx, ANN, job.channel_id)
    with pytest.raises(NotFound):
        await see(stage, job)
