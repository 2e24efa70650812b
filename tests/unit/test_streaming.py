"""Replies that are streamed, over real databases: what is taken, written down, and left at the end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rooms import checkpoints, chunks, completion, edits, participants
from rooms.chunks import Chunk
from rooms.completion import Sign
from rooms.edits import Target
from rooms.errors import Conflict, NotFound, PermissionDenied, Unavailable, ValidationFailed
from rooms.ids import new_id
from rooms.policy import Policy
from rooms.principals import Principal
from rooms.rows import Run
from rooms.streams import Stream, Streams
from tests.unit.journaling import SERVICE
from tests.unit.staging import ANN, BEN, BOT, OTHER_BOT, Stage


async def say(stage: Stage, run: Run, index: int, text: str, who: Principal = BOT, **sign: Any) -> Stream:
    """Say a chunk of the run's reply, from the process that has taken it unless told."""
    by = Sign(who, run.id, **{"holder": "one", **sign})
    return await chunks.say(stage.world.ctx, Chunk(by, index, text))


async def written(stage: Stage, run: Run) -> tuple[str, int]:
    """Return what is written down of the run's reply."""
    now = await stage.now(run)
    return now.partial, now.chunks


async def reply(stage: Stage, run: Run) -> tuple[str, bool]:
    """Return what is stored under the reserved id, and whether it is marked as a part."""
    stored = await edits.require(stage.world.ctx, Target(ANN, run.reply_id))
    return stored.content, stored.details.get("partial", False)


def restarted(stage: Stage) -> Stage:
    """Return the stage as another process finds it."""
    stage.world.ctx.streams.__init__()  # type: ignore[misc]
    return stage


async def test_the_first_chunk_takes_the_run_and_is_written_at_once(stage: Stage) -> None:
    """Each state is told once; later chunks are told by no event."""
    run = await stage.opened()
    stream = await say(stage, run, 0, "two ")
    assert (stream.next_index, stream.run.fence, await written(stage, run)) == (1, 1, ("two ", 1))
    await say(stage, run, 1, "and two")
    assert [state for _, state, _ in stage.told(run)] == ["queued", "working", "streaming"]
    assert await written(stage, run) == ("two ", 1)


async def test_chunks_are_taken_in_order_and_once(stage: Stage) -> None:
    """What was said before changes nothing, what is not due is refused with the index that is."""
    run = await stage.opened()
    with pytest.raises(Conflict, match="index 0"):
        await say(stage, run, 1, "b")
    assert (await stage.now(run)).state == "queued"
    for index, text in [(0, "a"), (0, "x"), (1, "b"), (0, "y"), (1, "z")]:
        await say(stage, run, index, text)
    with pytest.raises(Conflict, match="index 2"):
        await say(stage, run, 3, "d")
    assert (await stage.complete(run)).response == "ab"


async def test_chunks_that_come_at_once_begin_one_stream(stage: Stage) -> None:
    """One of them is said, and whoever has said it goes on; another process is refused."""
    run = await stage.opened()
    holders = {"a": "one", "b": "one", "c": "two"}
    outcomes = await asyncio.gather(
        *(say(stage, run, 0, text, holder=holder) for text, holder in holders.items()),
        return_exceptions=True,
    )
    said = (await stage.complete(run)).response
    expected = [Stream if holder == holders[said] else Conflict for holder in holders.values()]
    assert [type(outcome) for outcome in outcomes] == expected


@pytest.mark.parametrize(
    ("who", "error"), [(ANN, PermissionDenied), (BEN, PermissionDenied), (OTHER_BOT, NotFound)]
)
async def test_others_say_nothing(stage: Stage, who: Principal, error: type[Exception]) -> None:
    """Neither before it has begun nor after; a service may, for the agent."""
    run = await stage.opened()
    with pytest.raises(error):
        await say(stage, run, 0, "a", who)
    await say(stage, run, 0, "a")
    with pytest.raises(error):
        await say(stage, run, 1, "b", who)
    await say(stage, run, 1, "b", SERVICE)
    assert (await stage.complete(run)).response == "ab"


async def test_only_the_process_that_has_taken_the_run_goes_on(stage: Stage) -> None:
    """It is known by its name, or by the fence that it was given."""
    run = await stage.opened()
    await stage.claim(run, "one")
    for sign in ({"holder": "two"}, {"fence": 2}):
        with pytest.raises(Conflict):
            await say(stage, run, 0, "a", **sign)
    await say(stage, run, 0, "a", holder="two", fence=1)
    for sign in ({"holder": "two"}, {"holder": "one", "fence": 2}):
        with pytest.raises(Conflict):
            await say(stage, run, 1, "b", **sign)
    await say(stage, run, 1, "b")


async def test_nothing_is_said_of_runs_that_are_over_or_unknown(stage: Stage) -> None:
    """Before a chunk came, and after."""
    silent, run = await stage.opened(), await stage.opened()
    await stage.complete(silent)
    await say(stage, run, 0, "a")
    await stage.complete(run)
    for over in (silent, run):
        with pytest.raises(Conflict, match="ended"):
            await say(stage, over, 0, "a")
    with pytest.raises(NotFound):
        await say(stage, run._replace(id=new_id()), 0, "a")


async def test_a_reply_has_a_longest_length(stage: Stage) -> None:
    """What would exceed it is refused, and what has room is taken."""
    run = await stage.opened()
    await say(stage, run, 0, "x" * 49_999)
    with pytest.raises(ValidationFailed, match="50001"):
        await say(stage, run, 1, "yy")
    await say(stage, run, 1, "y")
    assert len((await stage.complete(run)).response) == 50_000


async def test_scripts_are_refused_across_chunks_where_they_are_refused(stage: Stage) -> None:
    """A policy for contents holds for replies that come in pieces."""
    object.__setattr__(stage.world.ctx, "policy", Policy(refuses_executable=True))
    run = await stage.opened()
    await say(stage, run, 0, "look: <scr")
    with pytest.raises(ValidationFailed):
        await say(stage, run, 1, "ipt>")
    await say(stage, run, 1, "ibble>")


async def test_what_was_said_is_written_down_with_a_new_lease(stage: Stage) -> None:
    """An agent that speaks is alive, from when it spoke; one that is quiet gives other signs, or is not."""
    run = await stage.opened()
    for index in range(4):
        await say(stage, run, index, str(index))
        stage.clock.now += 0.5
        await checkpoints.save(stage.world.ctx)
        assert await written(stage, run) == ("0123"[: index + 1], index + 1)
        now = await stage.now(run)
        assert now.due_at == int((stage.clock.now - 0.5) * 1000) + 30_000
        stage.clock.now += 24.5
    await completion.progress(stage.world.ctx, Sign(BOT, run.id))
    await stage.pass_time(29)
    assert (await stage.now(run)).state == "streaming"
    assert await written(stage, run) == ("0123", 4)
    await stage.pass_time(1.1)
    assert (stage.ends(run), await reply(stage, run)) == ([("timed_out", "lease")], ("0123", True))


async def test_a_stream_that_says_nothing_new_is_not_written_again(stage: Stage) -> None:
    """The last chunks are written when no more come, and then nothing."""
    run = await stage.opened()
    await say(stage, run, 0, "a")
    await say(stage, run, 1, "b")
    await checkpoints.save(stage.world.ctx)
    commits = stage.world.database.commits
    await checkpoints.save(stage.world.ctx)
    assert (stage.world.database.commits, await written(stage, run)) == (commits, ("ab", 2))


async def test_a_database_that_is_away_costs_no_chunk(stage: Stage) -> None:
    """What could not be written down is, as soon as it can be."""

    async def refuse(_work: Any) -> Any:
        raise Unavailable

    run = await stage.opened()
    await say(stage, run, 0, "a")
    stage.world.database.write_instead = refuse
    await say(stage, run, 1, "b")
    await checkpoints.save(stage.world.ctx)
    stage.world.database.write_instead = None
    await say(stage, run, 2, "c")
    await checkpoints.save(stage.world.ctx)
    assert await written(stage, run) == ("abc", 3)


async def test_the_end_finds_what_was_said_since_the_last_checkpoint(stage: Stage) -> None:
    """Whether the agent completes, a person cancels, or the lease is over."""
    done, stopped, dead, failed = [await stage.opened(str(n)) for n in range(4)]
    for run in (done, stopped, dead, failed):
        await say(stage, run, 0, "a")
        await say(stage, run, 1, "b")
    await stage.complete(done)
    await stage.complete(failed, has_failed=True)
    await completion.cancel(stage.world.ctx, Sign(ANN, stopped.id))
    await stage.pass_time(31)
    assert await reply(stage, done) == ("ab", False)
    for run, end in ((stopped, "cancelled"), (dead, "timed_out"), (failed, "failed")):
        assert (await reply(stage, run), stage.ends(run)[0][0]) == (("ab", True), end)


async def test_an_agent_that_spoke_a_moment_ago_is_not_dead(stage: Stage) -> None:
    """Although what it said is not written down yet."""
    run = await stage.opened()
    await say(stage, run, 0, "a")
    stage.clock.now += 29
    await say(stage, run, 1, "b")
    await stage.pass_time(2)
    assert ((await stage.now(run)).state, stage.ends(run)) == ("streaming", [])


async def test_nothing_is_said_while_the_run_is_being_ended(stage: Stage) -> None:
    """A chunk that comes meanwhile waits for the end, and is refused: nobody is shown what is not stored."""
    run = await stage.opened()
    await say(stage, run, 0, "a")
    async with stage.world.database.held() as entered:
        ending = asyncio.create_task(stage.complete(run))
        await entered.wait()
        late = asyncio.create_task(say(stage, run, 1, "b"))
        await asyncio.sleep(0)
        assert not late.done()
    assert (await ending).response == "a"
    with pytest.raises(Conflict, match="ended"):
        await late


async def test_an_end_that_is_refused_lets_the_agent_go_on(stage: Stage) -> None:
    """The chunk that waited is taken then."""
    run = await stage.opened()
    await say(stage, run, 0, "a")
    async with stage.world.database.held() as entered:
        ending = asyncio.create_task(stage.complete(run, who=BEN))
        await entered.wait()
        late = asyncio.create_task(say(stage, run, 1, "b"))
    with pytest.raises(PermissionDenied):
        await ending
    assert (await late).next_index == 2


async def test_another_text_at_the_end_takes_the_place_of_what_was_said(stage: Stage) -> None:
    """By completion, and by a submit under the reserved id."""
    first, second = await stage.opened(), await stage.opened()
    for run in (first, second):
        await say(stage, run, 0, "draft")
    await stage.complete(first, "final")
    await stage.say("final", BOT, id=second.reply_id, key=second.reply_id)
    for run in (first, second):
        assert (await reply(stage, run), stage.ends(run)) == (("final", False), [("completed", None)])


async def test_no_stream_outlives_its_run(stage: Stage) -> None:
    """However the run ends, nothing is kept of its stream, and the listener is told with which reply."""
    ended: list[tuple[str, str | None]] = []

    class Ends:
        """A listener that notes the ends."""

        def added(self, *_chunk: object) -> None:
            """Pass over it."""

        def ended(self, stream: Stream, reply_id: str | None) -> None:
            """Note it."""
            ended.append((stream.run.id, reply_id))

    ctx = stage.world.ctx
    ctx.streams.listener = Ends()
    done, stopped, asked, answered, late, removed = [await stage.opened(str(n)) for n in range(6)]
    for run in (done, stopped, asked, answered, late, removed):
        await say(stage, run, 0, "a")
    await stage.complete(done)
    await completion.cancel(ctx, Sign(ANN, stopped.id))
    await edits.delete(ctx, Target(ANN, asked.message_id))
    other = await stage.say("otherwise", BOT, parent_id=answered.message_id)
    stage.clock.now += 29
    await say(stage, removed, 1, "b")
    await stage.pass_time(2)
    await participants.remove(ctx, SERVICE, stage.world.channel_id, BOT.id)
    assert ended == [
        (done.id, done.reply_id),
        (stopped.id, stopped.reply_id),
        (asked.id, None),
        (answered.id, other.id),
        (late.id, late.reply_id),
        (removed.id, None),
    ]
    assert vars(ctx.streams) == vars(Streams()) | {"listener": ctx.streams.listener}


async def test_a_restart_goes_on_from_the_checkpoint(stage: Stage) -> None:
    """The agent is told which index that is; what it says again from there on is as if nothing had been."""
    run = await stage.opened()
    for index, text in enumerate(["one ", "two ", "three "]):
        await say(stage, run, index, text)
    await checkpoints.save(stage.world.ctx)
    await say(stage, run, 3, "lost ")
    await checkpoints.load(restarted(stage).world.ctx)
    with pytest.raises(Conflict, match="index 3"):
        await say(stage, run, 4, "five")
    await say(stage, run, 1, "two ")
    stream = await say(stage, run, 3, "four ")
    assert (stream.since(0), stream.since(2), stream.since(3)) == (
        (0, "one two three four "),
        (0, "one two three four "),
        (3, "four "),
    )
    assert (await stage.complete(run)).response == "one two three four "
    await checkpoints.load(restarted(stage).world.ctx)
    assert stage.world.ctx.streams.find(run.id) is None


async def test_what_another_process_has_ended_is_forgotten(stage: Stage) -> None:
    """A stream whose end nobody told this node of ends with its next checkpoint."""
    run = await stage.opened()
    await say(stage, run, 0, "a")
    stream = stage.world.ctx.streams.find(run.id)
    assert stream is not None
    restarted(stage)
    await stage.complete(run)
    stage.world.ctx.streams.open(stream.run)
    await say(stage, run, 0, "a")
    await checkpoints.save(stage.world.ctx)
    assert stage.world.ctx.streams.find(run.id) is None
