"""Which run an answer is for, and what is repeated, late, or cannot be ended."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rooms import channels, completion, edits, keys, messages, participants, run_lookup, runs
from rooms.access import Role
from rooms.channels import ChannelDraft
from rooms.completion import Sign
from rooms.drafts import Submitted
from rooms.edits import Edit, Target
from rooms.errors import Conflict
from rooms.keys import KeyDraft
from rooms.participants import Joining
from rooms.principals import Kind
from rooms.rows import Run
from rooms.rules import DEFAULT_SERVER_ID
from rooms.run_lookup import Prompt
from server import overdue
from server.fanout import Fanout
from tests.unit.journaling import SERVICE
from tests.unit.staging import ANN, BOT, OTHER_BOT, Stage


async def other_channel(stage: Stage) -> str:
    """Create another channel with ann and the agent in it."""
    draft = ChannelDraft(SERVICE, DEFAULT_SERVER_ID, "elsewhere", "text", participants=[ANN.id, BOT.id])
    return (await channels.create(stage.world.ctx, draft)).id


async def test_a_reserved_id_is_for_the_reply_alone(stage: Stage) -> None:
    """Its agent cannot use it in another channel, or once the run is over: the run ends as every other."""
    run, late = await stage.opened(), await stage.opened()
    with pytest.raises(Conflict):
        await stage.say("no", BOT, channel_id=await other_channel(stage), id=run.reply_id, key=run.reply_id)
    await completion.cancel(stage.world.ctx, Sign(ANN, late.id))
    with pytest.raises(Conflict):
        await stage.say("too late", BOT, id=late.reply_id, key=late.reply_id)
    await stage.pass_time(61)
    assert stage.ends(run) == [("failed", "agent_offline")]
    assert stage.ends(late) == [("cancelled", None)]


async def test_what_cannot_be_ended_keeps_nothing_else_open(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More runs than are looked at together cannot be ended; the one behind them is."""
    monkeypatch.setattr(completion, "DUE_AT_ONCE", 2)
    opened = [await stage.opened(f"{n}") for n in range(5)]
    broken = {run.id for run in opened[:4]}
    end = runs.end

    def end_some(transaction: Any, run: Run, *arguments: Any) -> Run:
        if run.id in broken:
            raise Conflict("cannot be ended")
        return end(transaction, run, *arguments)

    monkeypatch.setattr(runs, "end", end_some)
    stage.clock.now += 61
    ctx = stage.world.ctx
    await overdue.end_overdue(ctx, Fanout(ctx.cursors, ctx.tail, ctx.streams))
    assert [(await stage.now(run)).state for run in opened] == ["queued"] * 4 + ["failed"]


async def test_repeating_a_completion_ends_nothing_else(stage: Stage) -> None:
    """Whoever completes a prompt for the second time means the run of that prompt."""
    other, run = await stage.opened("one"), await stage.opened("two")
    place = Prompt(BOT.id, stage.world.channel_id, ANN.id, "two")
    for _ in range(2):
        found = await run_lookup.require_by_prompt(stage.world.ctx, BOT, place)
        assert (await stage.complete(found, "reply to two")).response == "reply to two"
        assert found.id == run.id
    assert (await stage.now(other)).state == "queued"


async def test_an_agent_that_names_the_channel_alone_is_done_with_what_it_has_answered(stage: Stage) -> None:
    """Only when it has told so of each answer does it mean a run that is open."""
    answered, opened = await stage.opened("three"), await stage.opened("four")
    await stage.say("3", BOT, parent_id=answered.message_id)
    for expected in (answered, opened):
        found = await run_lookup.find_in_channel(stage.world.ctx, BOT, stage.world.channel_id)
        assert found is not None
        assert found.id == expected.id
        await stage.complete(found)
    assert (await stage.now(opened)).reason == "silent"
    assert await run_lookup.find_in_channel(stage.world.ctx, BOT, stage.world.channel_id) is None


async def test_an_answer_without_a_parent_is_for_a_person_first(stage: Stage) -> None:
    """What other agents have said to it meanwhile does not stand in the way."""
    await keys.create(stage.world.ctx, KeyDraft(Kind.AGENT, OTHER_BOT.id, "Other"))
    await participants.add(stage.world.ctx, Joining(SERVICE, stage.world.channel_id, OTHER_BOT.id))
    first = await stage.say("first")
    await stage.say("by the other", OTHER_BOT, parent_id=first.id)
    second = await stage.say("second")
    for text in ("1", "2"):
        await stage.say(text, BOT)
    for message in (first, second):
        (own,) = [
            run
            for run in await run_lookup.list_of_message(stage.world.ctx, SERVICE, message)
            if run.agent_id == BOT.id
        ]
        assert own.state == "completed"


async def test_an_observer_is_asked_nothing(stage: Stage) -> None:
    """An agent that may not speak gets no run, and so has nothing to stream."""
    await keys.create(stage.world.ctx, KeyDraft(Kind.AGENT, OTHER_BOT.id, "Other"))
    joining = Joining(SERVICE, stage.world.channel_id, OTHER_BOT.id, Role.OBSERVER)
    await participants.add(stage.world.ctx, joining)
    assert (await stage.opened()).agent_id == BOT.id


@pytest.mark.parametrize("change", ["edit", "delete"])
async def test_a_completion_is_repeated_harmlessly_after_its_reply_was_changed(
    stage: Stage, change: str
) -> None:
    """The answer is what is left of the reply, as for a submit."""
    run = await stage.opened()
    await stage.complete(run, "four")
    stage.clock.now += 1
    target = Target(BOT, run.reply_id)
    if change == "edit":
        await edits.edit(stage.world.ctx, Edit(target, "five"))
    else:
        await edits.delete(stage.world.ctx, target)
    assert (await stage.complete(run, "four")).response == ("five" if change == "edit" else "")
    assert stage.ends(run) == [("completed", None)]


async def test_a_question_and_its_answer_may_share_a_batch(stage: Stage) -> None:
    """The run that the one opens the other ends."""
    asked = stage.world.draft("well?", principal=ANN, author_id=ANN.id)
    answer = stage.world.draft("well.", principal=BOT, author_id=BOT.id, parent_id=asked.id)
    question, _ = await messages.submit_many(stage.world.ctx, [replace(asked, key=asked.id), answer])
    assert isinstance(question, Submitted)
    (run,) = await run_lookup.list_of_message(stage.world.ctx, SERVICE, question.message)
    assert (run.state, stage.ends(run)) == ("completed", [("completed", None)])
