"""Retention: which events are forgotten, and that nothing else is."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import Connection, select

from rooms import completion, decisions, edits, history, retention, run_lookup, servers, store
from rooms.approvals import Request
from rooms.completion import Sign
from rooms.context import Context
from rooms.database import Database, Work
from rooms.decisions import Decision
from rooms.edits import Target
from rooms.errors import NotFound
from rooms.retention import DAY_MS, Retention
from rooms.rows import LogSummary, Run, Window
from rooms.rules import DEFAULT_SERVER_ID
from rooms.servers import ServerDraft
from rooms.store.statements import tables
from rooms.tables import ConnectionRow
from server import retention as task
from tests.unit.journaling import DEADLINE, SERVICE, World, running
from tests.unit.posting import Post
from tests.unit.staging import ANN, BOT, Stage

NO_BOUND = Retention(days=0, events=0)
NO_EVENTS_BOUND = Retention(days=30, events=0)


@dataclass
class Timeline:
    """A log that grows day by day."""

    world: World
    day: int = 0

    def __post_init__(self) -> None:
        """Let the days begin when the world did."""
        began = time.time()
        clock: Callable[[], float] = lambda: began + self.day * DAY_MS / 1000  # noqa: E731
        self.ctx: Context = replace(self.world.ctx, clock=clock)
        self.world.journal.clock = clock

    async def say(self, count: int) -> None:
        """Store so many messages today."""
        await asyncio.gather(*(self.world.submit(f"day {self.day}, {number}") for number in range(count)))

    async def forget(self, bounds: Retention) -> list[int]:
        """Forget what lies outside of the bounds and return how much each commit took."""
        return [forgotten async for forgotten in retention.forget(self.ctx, bounds)]

    async def log(self) -> LogSummary:
        """Return what is left; it must be whole."""
        (summary,) = await self.world.database.inner.read(store.log.summarise)
        assert (summary.is_complete, summary.orphans) == (True, 0), summary
        return summary


@pytest.fixture
async def timeline(database: Database) -> AsyncIterator[Timeline]:
    """Give a log to grow, on each kind of database."""
    async with running(database) as world:
        yield Timeline(world)


async def test_events_are_forgotten_by_their_age(timeline: Timeline) -> None:
    """What is older than the days that are kept goes; what was said the day after stays."""
    old = (await timeline.log()).server_seq
    timeline.day = 1
    await timeline.say(3)
    timeline.day = 29
    assert await timeline.forget(Retention(days=30, events=0)) == []
    timeline.day = 31
    await timeline.say(1)
    assert sum(await timeline.forget(Retention(days=30, events=0))) == old
    log = await timeline.log()
    assert (log.floor_seq, log.held) == (old, 4)


async def test_events_are_forgotten_by_their_number(timeline: Timeline) -> None:
    """The newest so many stay, however old they are."""
    await timeline.say(10)
    timeline.day = 1_000
    await timeline.forget(Retention(days=0, events=4))
    log = await timeline.log()
    assert (log.held, log.first) == (4, log.server_seq - 3)


@pytest.mark.parametrize(("days", "events", "held"), [(2, 20, 3), (2, 2, 2), (5, 8, 8), (5, 20, 9)])
async def test_an_event_is_kept_only_within_both_bounds(
    timeline: Timeline, days: int, events: int, held: int
) -> None:
    """The tighter of the two decides."""
    timeline.day = 6
    await timeline.say(6)
    timeline.day = 9
    await timeline.say(3)
    timeline.day = 11
    await timeline.forget(Retention(days, events))
    assert (await timeline.log()).held == held


async def test_without_bounds_nothing_is_forgotten(timeline: Timeline) -> None:
    """A bound of 0 is none."""
    before = await timeline.log()
    timeline.day = 100_000
    assert await timeline.forget(NO_BOUND) == []
    assert await timeline.log() == before


async def test_a_log_that_is_old_altogether_goes_on_where_it_stood(timeline: Timeline) -> None:
    """Its numbers are never given again, and every message is still there."""
    await timeline.say(2)
    timeline.day = 31
    await timeline.forget(Retention())
    log = await timeline.log()
    assert (log.held, log.floor_seq) == (0, log.server_seq)
    submitted = await timeline.world.submit("after a long silence")
    assert submitted.message.seq == log.server_seq + 1
    assert len(await timeline.world.stored()) == 4


async def test_much_is_forgotten_in_small_steps(timeline: Timeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step is a commit of its own, and after each the log is whole."""
    monkeypatch.setattr(retention, "STEP", 3)
    seq = (await timeline.log()).server_seq
    await timeline.say(10 - seq)
    taken, floors = [], []
    async for forgotten in retention.forget(timeline.ctx, Retention(days=0, events=2)):
        taken.append(forgotten)
        floors.append((await timeline.log()).floor_seq)
    assert (taken, floors) == ([3, 3, 2], [3, 6, 8])


async def test_a_clock_that_was_set_back_forgets_nothing_behind_what_is_kept(timeline: Timeline) -> None:
    """Old events that follow a newer one wait for it to grow old: the log stays without holes."""
    timeline.day = 40
    await timeline.say(1)
    newer = (await timeline.log()).server_seq
    timeline.day = 2
    await timeline.say(5)
    timeline.day = 41
    await timeline.forget(Retention())
    log = await timeline.log()
    assert (log.first, log.held) == (newer, 6)


async def test_each_log_has_its_own_floor(timeline: Timeline) -> None:
    """A quiet server loses nothing because another is loud."""
    quiet = await servers.create(timeline.ctx, SERVICE, ServerDraft("quiet"))
    await timeline.say(10)
    await timeline.forget(Retention(days=0, events=5))

    def floors(connection: Connection) -> list[int]:
        found = store.servers.find(connection, [DEFAULT_SERVER_ID, quiet.id])
        return [found[server_id].floor_seq for server_id in (DEFAULT_SERVER_ID, quiet.id)]

    loud_floor, quiet_floor = await timeline.world.database.inner.read(floors)
    assert loud_floor > 0
    assert quiet_floor == 0


def remember(connection: Connection, updated_at: int) -> None:
    """Store a connection that came last at a time in milliseconds."""
    row = ConnectionRow(
        id=f"at-{updated_at}", server_id=DEFAULT_SERVER_ID, principal_id="anna", updated_at=updated_at
    )
    connection.execute(tables["connections"].insert(), row.model_dump())


def remembered(connection: Connection) -> list[int]:
    """Return when the stored connections came last."""
    times = tables["connections"].c.updated_at
    return list(connection.execute(select(times).order_by(times)).scalars())


async def test_connections_that_do_not_come_back_are_forgotten(
    timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many days as events are kept, and in steps like these."""
    monkeypatch.setattr(retention, "STEP", 2)
    database = timeline.world.database.inner
    timeline.day = 60
    now = timeline.ctx.now()
    bound = now - 30 * DAY_MS
    for updated_at in (bound - 3, bound - 2, bound - 1, bound, now):
        await database.write(lambda connection, at=updated_at: remember(connection, at))
    assert await timeline.forget(NO_BOUND) == []
    two_events = [2]
    assert await timeline.forget(Retention(days=30, events=0)) == [*two_events, 2, 1]
    assert await database.read(remembered) == [bound, now]


async def test_a_connection_that_is_open_is_not_forgotten(timeline: Timeline) -> None:
    """However long ago it came, what it did to its rooms is kept while it lasts."""
    database = timeline.world.database.inner
    for updated_at in (1, 2):
        await database.write(lambda connection, at=updated_at: remember(connection, at))
    timeline.day = 60
    assert [n async for n in retention.forget(timeline.ctx, Retention(), {"at-1"})][-1:] == [1]
    assert await database.read(remembered) == [timeline.ctx.now()]


async def forget_runs(stage: Stage, days_later: float, bounds: Retention = NO_EVENTS_BOUND) -> list[Run]:
    """Forget so many days later what lies outside of the bounds, and return the runs that are left."""
    stage.clock.now += days_later * DAY_MS / 1000
    async for _ in retention.forget(stage.world.ctx, bounds):
        pass
    found = await run_lookup.list_page(stage.world.ctx, SERVICE, run_lookup.Filter())
    return list(found)[::-1]


async def test_runs_are_forgotten_when_they_have_been_over_for_long(stage: Stage) -> None:
    """Those that are open are kept, and so are those that ended later; messages and replies stay."""
    stage.clock.now = time.time()
    answered, late, waiting = [await stage.opened(content) for content in ("one", "two", "three")]
    await stage.complete(answered, "a reply")
    stage.clock.now += 2 * DAY_MS / 1000
    await stage.complete(late)
    assert [run.id for run in await forget_runs(stage, 27)] == [answered.id, late.id, waiting.id]
    assert [run.id for run in await forget_runs(stage, 2)] == [late.id, waiting.id]
    assert [run.id for run in await forget_runs(stage, 2)] == [waiting.id]
    with pytest.raises(NotFound):
        await stage.now(answered)
    page = await history.of_channel(stage.world.ctx, ANN, stage.world.channel_id, Window(50))
    assert [message.content for message in page.messages][-4:] == ["one", "two", "three", "a reply"]


async def test_without_a_bound_of_days_runs_are_kept(stage: Stage) -> None:
    """However old they are, and however few events are kept."""
    stage.clock.now = time.time()
    run = await stage.opened()
    await stage.complete(run, "a reply")
    assert [left.id for left in await forget_runs(stage, 1_000, Retention(days=0, events=1))] == [run.id]


async def test_many_runs_are_forgotten_in_small_steps(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step is a commit of its own."""
    monkeypatch.setattr(retention, "STEP", 2)
    for content in ("one", "two", "three"):
        await stage.complete(await stage.opened(content))
    stage.clock.now = time.time() + 31 * DAY_MS / 1000
    assert [gone async for gone in retention.forget(stage.world.ctx, NO_EVENTS_BOUND)][-2:] == [2, 1]


async def test_a_run_is_kept_for_as_long_as_its_delivery(post: Post) -> None:
    """What is still to be sent has its run, also when that is over."""
    post.now = time.time()
    run = await post.sent()
    await completion.cancel(post.ctx, Sign(SERVICE, run.id))
    post.now += 31 * DAY_MS / 1000
    for kept in (True, False):
        async for _ in retention.forget(post.ctx, NO_EVENTS_BOUND):
            pass
        left = await run_lookup.list_page(post.ctx, SERVICE, run_lookup.Filter())
        assert [one.id for one in left] == ([run.id] if kept else [])
        await post.work()


async def test_a_decision_outlasts_the_run_that_waited_for_it(stage: Stage) -> None:
    """History shows what was decided, and the message can be deleted as any other."""
    stage.clock.now = time.time()
    await stage.claim(run := await stage.opened())
    asked = await stage.say("may I?", BOT, approval=Request(["yes", "no"], lasts_ms=60_000))
    await decisions.resolve(stage.world.ctx, Decision(ANN, asked.id, "yes"))
    await stage.complete(run)
    assert await forget_runs(stage, 31) == []
    page = await history.of_channel(stage.world.ctx, ANN, stage.world.channel_id, Window(50))
    shown = page.messages[-1].approval
    assert shown is not None
    assert (shown.choice, shown.run_id) == ("yes", run.id)
    await edits.delete(stage.world.ctx, Target(SERVICE, asked.id))
    page = await history.of_channel(stage.world.ctx, ANN, stage.world.channel_id, Window(50))
    assert asked.id not in [message.id for message in page.messages]


async def test_the_task_forgets_again_and_again_and_outlives_a_failure(
    timeline: Timeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A database that is away for a moment is logged; what was due is forgotten the next time."""
    for name in ("FIRST_SECONDS", "EVERY_SECONDS", "PAUSE_SECONDS"):
        monkeypatch.setattr(task, name, 0.0)
    await timeline.say(5)
    database, passes, forgotten = timeline.world.database, itertools.count(1), asyncio.Event()

    async def read(work: Work[Any]) -> Any:
        number = next(passes)
        if number == 1:
            raise OSError("the disk is away")
        if number == 3:
            forgotten.set()  # by the pass before this one
        return await database.inner.read(work)

    database.read_instead = read
    async with asyncio.timeout(DEADLINE), task.forgetting(timeline.ctx, Retention(days=0, events=3), ()):
        await forgotten.wait()
    assert (await timeline.log()).held == 3
    assert "retention failed, and is tried again in 0 s" in caplog.messages
