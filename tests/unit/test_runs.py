"""Runs over real databases: opened by messages, taken by agents, and ended exactly once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import Connection, insert, update

from rooms import completion, edits, keys, messages, mutes, participants, run_lookup, store
from rooms.completion import Sign
from rooms.drafts import Submitted
from rooms.edits import Target
from rooms.errors import Conflict, NotFound, ParleyError, PermissionDenied
from rooms.ids import new_id
from rooms.keys import KeyDraft
from rooms.mutes import Muting
from rooms.participants import Joining
from rooms.principals import Kind, Principal
from rooms.rows import Run
from rooms.run_lookup import Filter, Prompt
from rooms.runs import Reason, State
from rooms.store.runs import Wanted
from rooms.store.statements import tables
from tests.unit.journaling import SERVICE
from tests.unit.staging import ANN, BEN, BOT, OTHER_BOT, Stage

CAY = Principal("cay", Kind.USER)


async def test_a_message_opens_a_run_for_each_agent_but_its_author(stage: Stage) -> None:
    """Agents of the channel are addressed, each once, and nobody is by its own message."""
    await keys.create(stage.world.ctx, KeyDraft(Kind.AGENT, OTHER_BOT.id, "Other"))
    await participants.add(stage.world.ctx, Joining(SERVICE, stage.world.channel_id, OTHER_BOT.id))
    asked = await stage.say("hello")
    opened = await run_lookup.list_of_message(stage.world.ctx, ANN, asked)
    assert [(run.agent_id, run.state, run.user_id, run.hops) for run in opened] == [
        ("bot", "queued", "ann", 1),
        ("other-bot", "queued", "ann", 1),
    ]
    said = await stage.say("by myself", BOT, parent_id=asked.id)
    assert [run.agent_id for run in await run_lookup.list_of_message(stage.world.ctx, ANN, said)] == [
        "other-bot"
    ]


async def test_a_channel_without_agents_opens_none(stage: Stage) -> None:
    """Whoever left is addressed no more."""
    await participants.remove(stage.world.ctx, SERVICE, stage.world.channel_id, BOT.id)
    message = await stage.say()
    assert await run_lookup.list_of_message(stage.world.ctx, ANN, message) == []


async def test_whoever_turns_out_to_be_an_agent_is_one_everywhere(stage: Stage) -> None:
    """Somebody who was added before its agent key was made is addressed from then on."""
    await participants.add(stage.world.ctx, Joining(SERVICE, stage.world.channel_id, OTHER_BOT.id))
    assert (await stage.opened()).agent_id == BOT.id
    await keys.create(stage.world.ctx, KeyDraft(Kind.AGENT, OTHER_BOT.id, "Other"))
    opened = await run_lookup.list_of_message(stage.world.ctx, ANN, await stage.say())
    assert [run.agent_id for run in opened] == [BOT.id, OTHER_BOT.id]


async def test_a_run_is_taken_and_completed_with_the_reply_that_was_reserved(stage: Stage) -> None:
    """Each state is told once, the reply has the reserved id, and its event comes before the end."""
    run = await stage.opened("what is two and two?")
    taken = await stage.claim(run)
    assert (taken.run.state, taken.run.fence, taken.message.content) == (
        "working",
        1,
        "what is two and two?",
    )
    done = await stage.complete(run, "four", fence=1)
    assert (done.response, done.run.state) == ("four", "completed")
    assert stage.told(run) == [
        ("run", "queued", None),
        ("run", "working", None),
        ("run", "completed", None),
        ("complete", "completed", None),
    ]
    reply = await edits.require(stage.world.ctx, Target(ANN, run.reply_id))
    assert (reply.content, reply.author_id, reply.parent_id, reply.hops) == ("four", "bot", run.message_id, 1)
    kinds = [event.kind for event in stage.world.heard.events]
    assert kinds[-3:] == ["message", "run", "complete"]


async def test_a_plain_submit_in_reply_completes_the_run(stage: Stage) -> None:
    """An agent that knows nothing of runs ends them by answering."""
    run = await stage.opened()
    await stage.say("hello yourself", BOT, parent_id=run.message_id)
    assert stage.ends(run) == [("completed", None)]


async def test_answers_without_a_parent_complete_the_oldest_untaken_run(stage: Stage) -> None:
    """One answer ends one run, the first first, and none that another process has taken."""
    first, second, third = [await stage.opened(text) for text in ("one", "two", "three")]
    await stage.claim(first)
    outcomes = await asyncio.gather(
        stage.world.submit("1", principal=BOT, author_id=BOT.id),
        stage.world.submit("2", principal=BOT, author_id=BOT.id),
        stage.world.submit("3", principal=BOT, author_id=BOT.id),
    )
    assert len(outcomes) == 3
    states = [(await stage.now(run)).state for run in (first, second, third)]
    assert states == ["working", "completed", "completed"]


async def test_a_reply_to_something_else_completes_nothing(stage: Stage) -> None:
    """What an agent says in another thread is no answer to the run."""
    elsewhere = await stage.say("earlier", BOT)
    run = await stage.opened()
    await stage.say("by the way", BOT, parent_id=elsewhere.id)
    assert (await stage.now(run)).state == "queued"


async def test_of_two_processes_one_takes_the_run(stage: Stage) -> None:
    """The second is refused, the first may take it again, and only its fence counts."""
    run = await stage.opened()
    await stage.claim(run, "one")
    with pytest.raises(Conflict):
        await stage.claim(run, "two")
    assert (await stage.claim(run, "one")).run.fence == 1
    with pytest.raises(Conflict):
        await stage.complete(run, "mine", fence=2)
    assert (await stage.complete(run, "mine", fence=1)).response == "mine"


async def test_completing_twice_is_harmless(stage: Stage) -> None:
    """The same end again answers the same reply; another reply is refused; nothing is told twice."""
    run = await stage.opened()
    await stage.complete(run, "four")
    assert (await stage.complete(run, "four")).response == "four"
    assert (await stage.complete(run)).response == "four"
    with pytest.raises(Conflict):
        await stage.complete(run, "five")
    assert stage.ends(run) == [("completed", None)]


async def test_an_agent_may_have_nothing_to_say(stage: Stage) -> None:
    """A run that is completed without a reply is ignored, and no message is stored."""
    run = await stage.opened()
    assert (await stage.complete(run)).response == ""
    assert stage.ends(run) == [("ignored", "silent")]


async def test_an_agent_may_fail(stage: Stage) -> None:
    """The run says so."""
    run = await stage.opened()
    await stage.claim(run)
    await stage.complete(run, has_failed=True)
    assert stage.ends(run) == [("failed", "agent_error")]


@pytest.mark.parametrize("who", [ANN, BEN, OTHER_BOT])
async def test_nobody_works_on_the_runs_of_another(stage: Stage, who: Principal) -> None:
    """Members are refused, whoever may not see the run does not find it, and the run stands as before."""
    run = await stage.opened()
    refusal = NotFound if who is OTHER_BOT else PermissionDenied
    for attempt in (stage.claim(run, who=who), stage.complete(run, "no", who=who)):
        with pytest.raises(refusal):
            await attempt
    assert stage.told(run) == [("run", "queued", None)]


async def test_a_run_that_nobody_takes_ends(stage: Stage) -> None:
    """Without its agent it has failed, and with an agent that does nothing it is timed out."""
    run = await stage.opened()
    await stage.pass_time(59.9)
    assert (await stage.now(run)).state == "queued"
    await stage.pass_time(0.2)
    assert stage.ends(run) == [("failed", "agent_offline")]
    other = await stage.opened()
    await stage.pass_time(60.1, is_present=True)
    assert stage.ends(other) == [("timed_out", "unanswered")]


async def test_only_signs_of_the_run_keep_it_alive(stage: Stage) -> None:
    """Progress renews the lease, messages elsewhere do not, and in the end the run has had its time."""
    run, other = await stage.opened(), await stage.opened()
    await stage.claim(run)
    await stage.claim(other)
    for _ in range(20):
        await stage.pass_time(25, is_present=True)
        await completion.progress(stage.world.ctx, Sign(BOT, run.id, fence=1))
    assert stage.ends(other) == [("timed_out", "lease")]
    assert (await stage.now(run)).state == "working"


async def test_a_run_may_not_take_for_ever(stage: Stage) -> None:
    """However many signs there are, after ten minutes it is over."""
    run = await stage.opened()
    await stage.claim(run)
    for _ in range(23):
        await stage.pass_time(25)
        await completion.progress(stage.world.ctx, Sign(BOT, run.id))
    await stage.pass_time(25.1)
    assert stage.ends(run) == [("timed_out", "too_long")]
    with pytest.raises(Conflict):
        await completion.progress(stage.world.ctx, Sign(BOT, run.id))


async def test_what_was_streamed_is_the_reply_of_a_run_that_times_out(stage: Stage) -> None:
    """The half of a reply is stored under the reserved id, marked, and the run ends as timed out."""
    run = await stage.opened()
    await stage.claim(run)
    await stage.world.database.inner.write(
        lambda connection: connection.execute(
            update(tables["runs"]).values(partial="two and two is", chunks=3)
        )
    )
    await stage.pass_time(31)
    reply = await edits.require(stage.world.ctx, Target(ANN, run.reply_id))
    assert (reply.content, reply.details["partial"]) == ("two and two is", True)
    assert stage.ends(run) == [("timed_out", "lease")]


@pytest.mark.parametrize("who", [ANN, BOT, SERVICE])
async def test_a_run_can_be_cancelled(stage: Stage, who: Principal) -> None:
    """By whoever asked, by the agent, by whoever manages the channel; once."""
    run = await stage.opened()
    await completion.cancel(stage.world.ctx, Sign(who, run.id))
    await completion.cancel(stage.world.ctx, Sign(who, run.id))
    assert stage.ends(run) == [("cancelled", None)]
    with pytest.raises(Conflict):
        await stage.complete(run, "too late")


async def test_others_cannot_cancel_it(stage: Stage) -> None:
    """A member who neither asked nor manages is refused."""
    run = await stage.opened()
    with pytest.raises(PermissionDenied):
        await completion.cancel(stage.world.ctx, Sign(BEN, run.id))
    assert stage.ends(run) == []


async def test_deleting_a_message_cancels_its_runs(stage: Stage) -> None:
    """There is nothing to answer any more."""
    run = await stage.opened()
    await edits.delete(stage.world.ctx, Target(ANN, run.message_id))
    assert stage.ends(run) == [("cancelled", "message_deleted")]


async def test_the_runs_of_an_agent_that_is_removed_fail(stage: Stage) -> None:
    """It may not answer in the channel any more."""
    run = await stage.opened()
    await participants.remove(stage.world.ctx, SERVICE, stage.world.channel_id, BOT.id)
    assert stage.ends(run) == [("failed", "removed")]


async def mute(stage: Stage, until: int | None = None) -> None:
    """Mute the agent in the channel."""
    await mutes.mute(stage.world.ctx, Muting(SERVICE, stage.world.channel_id, BOT.id, until=until))


async def test_a_muted_agent_is_passed_over(stage: Stage) -> None:
    """Everybody is told that it was, and nothing waits for it, unless it is mentioned or the time is over."""
    await mute(stage, until=int(stage.clock.now * 1000) + 5_000)
    run = await stage.opened()
    assert stage.ends(run) == [("ignored", "muted")]
    assert (await stage.opened("@bot, are you there?")).state == "queued"
    stage.clock.now += 6
    assert (await stage.opened()).state == "queued"


async def test_an_agent_that_is_stopped_is_passed_over(stage: Stage) -> None:
    """Its run is over at once."""
    row = {"entity_id": BOT.id, "is_active": False, "bio": "", "capabilities": [], "settings": {}}
    await stage.world.database.inner.write(
        lambda connection: connection.execute(insert(tables["agents"]), [{**row, "updated_at": 0}])
    )
    assert stage.ends(await stage.opened()) == [("ignored", "stopped")]


async def test_nobody_takes_the_id_that_is_reserved_for_a_reply(stage: Stage) -> None:
    """Another's message under it is refused, wherever it is said; the agent's own is the reply."""
    run = await stage.opened()
    with pytest.raises(Conflict):
        await stage.say("squatting", id=run.reply_id, key=run.reply_id)
    await stage.say("mine", BOT, id=run.reply_id, key=run.reply_id)
    assert stage.ends(run) == [("completed", None)]


async def test_a_run_is_found_by_what_was_processed(stage: Stage) -> None:
    """The newest with the prompt, an open one before others; without it the newest open one."""
    first, second = await stage.opened("one"), await stage.opened("two")

    async def find(prompt: str) -> str:
        place = Prompt(BOT.id, stage.world.channel_id, ANN.id, prompt)
        return (await run_lookup.require_by_prompt(stage.world.ctx, BOT, place)).id

    assert [await find("one"), await find("two"), await find("else")] == [first.id, second.id, second.id]
    await stage.complete(second, "2")
    assert [await find("two"), await find("else")] == [second.id, first.id]
    await stage.complete(first, "1")
    assert [await find("one"), await find("two")] == [first.id, second.id]
    with pytest.raises(NotFound):
        await run_lookup.require_by_prompt(
            stage.world.ctx, BOT, Prompt(BOT.id, stage.world.channel_id, BEN.id, "one")
        )


async def test_runs_are_listed_for_those_who_may_see_them(stage: Stage) -> None:
    """The newest first, by channel, agent and state; strangers see none."""
    first, second = await stage.opened("one"), await stage.opened("two")
    await stage.complete(first, "1")
    ctx = stage.world.ctx

    async def ids(who: Principal, **wish: Any) -> list[str]:
        return [run.id for run in await run_lookup.list_page(ctx, who, Filter(**wish))]

    assert await ids(ANN) == await ids(BOT, agent_id=BOT.id) == [second.id, first.id]
    assert await ids(ANN, channel_id=stage.world.channel_id, states=[State.QUEUED]) == [second.id]
    assert await ids(ANN, before=second.id) == [first.id]
    assert await ids(OTHER_BOT, agent_id=BOT.id) == []
    with pytest.raises(NotFound):
        await ids(OTHER_BOT, channel_id=stage.world.channel_id)
    with pytest.raises(NotFound):
        await run_lookup.require(ctx, OTHER_BOT, first.id)
    with pytest.raises(NotFound):
        await run_lookup.require(ctx, ANN, new_id())


async def test_runs_are_counted_beyond_the_page(stage: Stage) -> None:
    """Those that somebody may see, and that were opened within the time."""
    first, second = await stage.opened("one"), await stage.opened("two")
    ctx = stage.world.ctx
    assert await run_lookup.list_counted(ctx, ANN, Filter(agent_id=BOT.id, limit=1)) == ([second], 2)
    assert await run_lookup.list_counted(ctx, OTHER_BOT, Filter(agent_id=BOT.id)) == ([], 0)
    early = Filter(since=first.created_at, until=first.created_at)
    assert first in (await run_lookup.list_counted(ctx, ANN, early))[0]
    assert await run_lookup.list_counted(ctx, ANN, Filter(until=first.created_at - 1)) == ([], 0)
    assert await run_lookup.list_counted(ctx, ANN, Filter(since=second.created_at + 1)) == ([], 0)


async def test_runs_are_listed_as_far_back_as_the_channel_may_be_read(stage: Stage) -> None:
    """Where earlier history is hidden, whoever joined later is shown the runs of what was said since then."""
    ctx, channel_id = stage.world.ctx, stage.world.channel_id
    await stage.opened("before")
    await stage.world.database.inner.write(
        lambda connection: connection.execute(update(tables["channels"]).values(earlier_history=False))
    )
    await participants.add(ctx, Joining(SERVICE, channel_id, CAY.id))
    later = await stage.opened("since")
    for wish in (Filter(), Filter(channel_id=channel_id)):
        assert [run.id for run in await run_lookup.list_page(ctx, CAY, wish)] == [later.id]
        assert len(await run_lookup.list_page(ctx, ANN, wish)) == 2


async def test_a_reply_that_is_refused_leaves_the_run_open(stage: Stage) -> None:
    """Too much text changes nothing, and the run can still be completed."""
    run = await stage.opened()
    with pytest.raises(ParleyError):
        await stage.complete(run, "x" * 50_001)
    assert (await stage.complete(run, "short")).response == "short"


async def test_runs_of_one_commit_keep_apart(stage: Stage) -> None:
    """Many messages and answers that share a commit open and end each their own run."""
    asked = await messages.submit_many(
        stage.world.ctx,
        [stage.world.draft(f"question {n}", principal=ANN, author_id=ANN.id) for n in range(20)],
    )
    answers = [
        stage.world.draft(f"answer {n}", principal=BOT, author_id=BOT.id, parent_id=outcome.message.id)
        for n, outcome in enumerate(asked)
        if isinstance(outcome, Submitted)
    ]
    await messages.submit_many(stage.world.ctx, answers)

    def read(connection: Connection) -> list[Run]:
        return store.runs.list_page(connection, Wanted(agent_id=BOT.id), before=None, limit=50)

    found = await stage.world.database.inner.read(read)
    assert [run.state for run in found] == ["completed"] * 20
    assert all(stage.ends(run) == [("completed", None)] for run in found)


def test_every_reason_is_one_word_of_the_contract() -> None:
    """Clients compare them as they are."""
    assert all(reason == reason.lower() and " " not in reason for reason in Reason)
