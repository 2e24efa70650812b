"""The guard over real databases: what stops agents that talk with each other, and what lets them go on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from rooms import clearing, guard, messages, mutes, participants
from rooms.access import Role
from rooms.database import Database
from rooms.errors import NotFound, PermissionDenied
from rooms.journal import Journal
from rooms.messages import Submitted
from rooms.mutes import Muting
from rooms.participants import Joining
from rooms.principals import Kind, Principal
from rooms.rows import AGENT_ACTION
from tests.unit.agents_talking import A, B, C, Stage, staged
from tests.unit.journaling import SERVICE
from tests.unit.staging import ANN, BEN


@pytest.fixture
async def stage(database: Database) -> AsyncIterator[Stage]:
    """Give a channel with a user and two agents, on each kind of database."""
    async with staged(database) as stage:
        yield stage


async def test_two_agents_that_answer_each_other_stop_at_the_hop_count(stage: Stage) -> None:
    """The last message is stored, opens no run, and the channel says which one it was, and why."""
    said = [message async for message in stage.chain(A, B)]
    assert [message.hops for message in said] == list(range(1, 9))
    (paused,) = [event for event in stage.world.heard.events if event.kind == "agents_paused"]
    assert paused.payload == {
        "seq": said[-1].seq + 3,  # behind the message, and the end of the run that it answers
        "channel_id": stage.world.channel_id,
        "server_id": said[-1].server_id,
        "reason": "hops",
        "message_id": said[-1].id,
        "agent_id": "b",
    }
    assert await stage.pause() == "hops"


async def test_the_hop_count_is_a_setting(stage: Stage) -> None:
    """With three, the third message opens nothing; with one, agents never address each other."""
    stage.allow(max_hops=3)
    assert [message.hops async for message in stage.chain(A, B)] == [1, 2, 3]
    stage.allow(max_hops=1)
    assert [message.hops async for message in stage.chain(A, B)] == [1]
    assert stage.told() == [("agents_paused", "hops"), ("agents_resumed", "ann")]


async def test_a_person_lets_agents_go_on_before_its_own_runs_are_opened(stage: Stage) -> None:
    """That is told between the message and its runs, and the agents have all their hops again."""
    before = [message async for message in stage.chain(A, B)]
    stage.world.heard.events.clear()
    after = [message async for message in stage.chain(A, B)]
    assert [message.hops for message in after] == [message.hops for message in before]
    kinds = [event.kind for event in stage.world.heard.events]
    assert kinds[:4] == ["message", "agents_resumed", "run", "run"]
    assert stage.told() == [("agents_resumed", "ann"), ("agents_paused", "hops")]


async def test_agents_that_do_not_say_what_they_answer_stop_too(stage: Stage) -> None:
    """Each answers whatever it is addressed with, without naming it."""
    await stage.say(ANN)
    said = []
    while waiting := await stage.waiting():
        assert len(said) < 100
        said.append(await stage.say(Principal(waiting[0].agent_id, Kind.AGENT)))
    assert max(message.hops for message in said) == 8
    assert await stage.pause() == "hops"


@pytest.mark.parametrize("names_the_first", [True, False])
async def test_what_ends_no_run_goes_on_with_what_was_said_last(
    stage: Stage, *, names_the_first: bool
) -> None:
    """Agents that close their runs first, and then speak, do not begin anew; nor by naming one message."""
    first = await stage.say(ANN)
    hops = []
    for who in (A, B, A, B):
        await stage.be_silent()
        hops.append((await stage.say(who, parent_id=first.id if names_the_first else None)).hops)
    assert hops == [1, 2, 3, 4]


async def test_an_agent_that_goes_on_by_itself_is_no_farther_from_a_person(stage: Stage) -> None:
    """Its own words add nothing; and after ten minutes a word begins anew."""
    await stage.say(ANN)
    await stage.be_silent()
    hops = []
    for who in (A, A, A, B, B, A):
        hops.append((await stage.say(who)).hops)
        await stage.be_silent()
    assert hops == [1, 1, 1, 2, 2, 3]
    stage.clock.now += 601
    assert (await stage.say(B)).hops == 1


async def test_three_agents_that_answer_everything_stop(stage: Stage) -> None:
    """However many runs each of their messages opens: within the channel's budget, and with a reason."""
    await participants.add(stage.world.ctx, Joining(SERVICE, stage.world.channel_id, C.id))
    await stage.say(ANN)
    said = 0
    while waiting := await stage.waiting():
        await stage.answer(waiting[0])
        said += 1
        assert said < 500
        if await stage.pause() is not None:
            break
    assert said <= 63  # nobody more than a share of 60, and one
    assert len(stage.told()) == 1
    for run in await stage.waiting():
        assert await stage.opened(await stage.answer(run)) == []


async def test_an_agent_says_so_much_to_another_within_a_minute(stage: Stage) -> None:
    """Twenty times in answer to agents; the next message is one too many, and only within the minute."""
    stage.allow(max_hops=1_000, agent_messages=1_000)
    chain = stage.chain(A, B)
    for _ in range(41):  # the first answers ann
        await anext(chain)
    assert await stage.pause() is None
    await anext(chain)
    assert await stage.pause() == "pair"
    slow = stage.chain(A, B)
    for _ in range(90):
        stage.clock.now += 1.6
        await anext(slow)
    assert await stage.pause() is None


async def test_what_addresses_nobody_does_not_count_for_a_pair(stage: Stage) -> None:
    """Messages that open no run, because the other is muted, are no talk with it."""
    stage.allow(max_hops=1_000, agent_messages=1_000, pair_messages=2)
    await stage.say(ANN)
    await stage.be_silent()
    await stage.say(B)
    await mutes.mute(stage.world.ctx, Muting(SERVICE, stage.world.channel_id, B.id))
    for _ in range(5):
        await stage.be_silent()
        assert [run.reason for run in await stage.opened(await stage.say(A))] == ["muted"]
    for _ in range(2):
        assert [run.state for run in await stage.opened(await stage.say(A, "@b, hello"))] == ["queued"]
        await stage.be_silent()
    await stage.say(A, "@b, are you there?")
    assert await stage.pause() == "pair"


async def test_agents_that_repeat_themselves_are_stopped(stage: Stage) -> None:
    """The third time that one says the same to the other is one too many, however it is written."""
    message = await stage.say(ANN)
    words = ["What can I do?", "thanks!", "You're welcome!", "Thanks!", "you're  welcome!", " THANKS!\n"]
    for at, word in enumerate(words):
        assert await stage.pause() is None
        who = (A, B)[at % 2]
        (run,) = [run for run in await stage.opened(message) if run.agent_id == who.id]
        message = await stage.answer(run, word)
    assert await stage.pause() == "repetition"
    assert await stage.opened(message) == []


async def test_what_people_ask_again_may_be_answered_as_before(stage: Stage) -> None:
    """Nothing that answers a person is a repetition, nor what others have said, nor what a person parts."""
    await participants.add(stage.world.ctx, Joining(SERVICE, stage.world.channel_id, C.id))
    for _ in range(4):
        asked = await stage.say(ANN)
        to_a, to_b, to_c = await stage.opened(asked)
        for run in (to_b, to_c):
            await stage.answer(run, "yes")
        proposed = await stage.answer(to_a, "Does everybody agree?")
        for run in await stage.opened(proposed):
            await stage.answer(run, "yes")
        await stage.be_silent()
    assert stage.told() == []


async def test_agents_share_what_a_channel_bears(stage: Stage) -> None:
    """When the budget is used up, whoever has said more than its share is stopped, and nobody before."""
    stage.allow(agent_messages=6)
    await stage.say(ANN)
    await stage.be_silent()
    for _ in range(5):
        await stage.say(A)
    await stage.say(B)
    await stage.say(B)  # one more than the budget, and less than its half
    assert await stage.pause() is None
    assert await stage.opened(await stage.say(A)) == []
    assert await stage.pause() == "share"


async def test_answers_to_people_count_and_never_stop_anybody(stage: Stage) -> None:
    """However much people ask within a minute, all agents answer; what they add of themselves is too much."""
    stage.allow(agent_messages=6)
    for _ in range(10):
        for run in await stage.opened(await stage.say(ANN)):
            await stage.answer(run)
        await stage.be_silent()
    assert stage.told() == []
    await stage.say(A)
    assert await stage.pause() == "share"
    stage.clock.now += 61
    await stage.say(ANN)
    await stage.be_silent()
    await stage.say(A)
    assert await stage.pause() is None


async def test_while_agents_are_paused_they_answer_what_they_were_asked(stage: Stage) -> None:
    """That opens neither runs that wait nor runs that are refused; and nothing else is stored."""
    _ = [message async for message in stage.chain(A, B)]
    waiting = await stage.waiting()
    for run in waiting:
        assert await stage.opened(await stage.answer(run)) == []
    with pytest.raises(PermissionDenied):
        await stage.say(A, "@b, go on")
    assert stage.told() == [("agents_paused", "hops")]


async def test_a_pause_does_not_hold_up_whoever_begins_anew(stage: Stage) -> None:
    """After ten minutes an agent goes on with nobody's words; what it says is stored, and opens nothing."""
    _ = [message async for message in stage.chain(A, B)]
    await stage.be_silent()
    stage.clock.now += 601
    assert await stage.opened(await stage.say(A)) == []
    with pytest.raises(PermissionDenied):
        await stage.say(B)


async def test_whoever_manages_the_channel_lets_agents_go_on(stage: Stage) -> None:
    """Moderators and services may, once, and agents begin anew; members and strangers may not."""
    _ = [message async for message in stage.chain(A, B)]
    ctx, channel_id = stage.world.ctx, stage.world.channel_id
    with pytest.raises(PermissionDenied):
        await guard.resume(ctx, ANN, channel_id)
    with pytest.raises(NotFound):
        await guard.resume(ctx, BEN, channel_id)
    assert await stage.pause() == "hops"
    await participants.add(ctx, Joining(SERVICE, channel_id, BEN.id, Role.MODERATOR))
    await guard.resume(ctx, BEN, channel_id)
    await guard.resume(ctx, SERVICE, channel_id)
    assert stage.told() == [("agents_paused", "hops"), ("agents_resumed", "ben")]
    message = await stage.say(A)
    assert message.hops == 1
    assert [run.agent_id for run in await stage.opened(message)] == ["b"]


async def test_what_was_said_before_agents_went_on_does_not_count(stage: Stage) -> None:
    """Neither for a pair, nor for a share, nor as a repetition."""
    stage.allow(max_hops=1_000, pair_messages=3, agent_messages=8)
    for _ in range(3):
        said = [message async for message in stage.chain(A, B)]
        assert len(said) == 8
        assert await stage.pause() == "pair"
    stage.allow(pair_messages=1_000)
    await stage.say(ANN)
    await stage.be_silent()
    assert [bool(await stage.opened(await stage.say(A))) for _ in range(9)] == [True] * 8 + [False]


async def submit_together(stage: Stage, *words: tuple[Principal, str]) -> list[int]:
    """Say all of it in one commit, and return how many runs each message has opened."""
    drafts = [stage.world.draft(text, principal=who, author_id=who.id) for who, text in words]
    outcomes = await messages.submit_many(stage.world.ctx, drafts)
    said = [outcome.message for outcome in outcomes if isinstance(outcome, Submitted)]
    return [len(await stage.opened(message)) for message in said]


async def test_messages_of_one_commit_are_counted_as_any_others(stage: Stage) -> None:
    """Of many words that share a commit as many open runs as the channel bears."""
    await stage.say(ANN)
    await stage.be_silent()
    words = [(A, f"word {n}") for n in range(100)]
    assert await submit_together(stage, *words) == [1] * 60 + [0] * 40
    assert stage.told() == [("agents_paused", "share")]


async def test_one_commit_may_hold_a_whole_conversation(stage: Stage) -> None:
    """Repetitions, and a person's word, count within it as they would one by one."""
    await stage.say(ANN)
    await stage.be_silent()
    words = [(A, "hi"), (B, "hi"), (A, "ok"), (B, "ok"), (A, "ok"), (B, "ok"), (A, "ok"), (ANN, "well?")]
    assert await submit_together(stage, *words, (A, "ok")) == [1, 1, 1, 1, 1, 1, 0, 2, 1]
    assert stage.told() == [("agents_paused", "repetition"), ("agents_resumed", "ann")]


async def test_pairs_are_counted_within_a_commit(stage: Stage) -> None:
    """Three words in answer to an agent are one too many, though none of them is stored before the others."""
    stage.allow(pair_messages=2)
    await stage.say(ANN)
    await stage.be_silent()
    words = [(who, f"word {n}") for n, who in enumerate([A, B, B, B, A])]
    assert await submit_together(stage, *words) == [1, 1, 1, 0]
    assert stage.told() == [("agents_paused", "pair")]


async def test_a_person_within_a_commit_begins_all_counts_anew(stage: Stage) -> None:
    """What was said before in the same commit is counted no more."""
    stage.allow(agent_messages=4)
    await stage.say(ANN)
    await stage.be_silent()
    own = [(A, f"word {n}") for n in range(5)]
    assert await submit_together(stage, *own, (ANN, "well?"), *own) == [1, 1, 1, 1, 0, 2, 1, 1, 1, 1, 0]


async def test_only_what_is_said_to_agents_is_a_repetition(stage: Stage) -> None:
    """The same answer to a person, and then to an agent, twice, is none."""
    asked = await stage.say(ANN)
    to_a, to_b = await stage.opened(asked)
    await stage.answer(to_b, "yes")
    message = await stage.answer(to_a)
    for _ in range(2):
        (run,) = await stage.opened(message)
        (run,) = await stage.opened(await stage.answer(run, "yes"))
        message = await stage.answer(run)
    assert stage.told() == []


async def test_a_person_parts_repetitions(stage: Stage) -> None:
    """An agent may agree with the other one once for each of a person's questions."""
    for _ in range(4):
        to_a, _to_b = await stage.opened(await stage.say(ANN))
        (run,) = await stage.opened(await stage.answer(to_a))
        await stage.answer(run, "I agree.")
        await stage.be_silent()
    assert stage.told() == []


async def test_what_agents_do_counts_for_nothing(stage: Stage) -> None:
    """Actions pause no channel, repeat nothing, bring no agent farther from a person, and address nobody."""
    stage.allow(agent_messages=3, pair_messages=3)
    await stage.say(ANN)
    for _ in range(10):
        doing = await stage.say(A, "Executing action: LOOK", source_type=AGENT_ACTION)
        assert doing.hops == 1
        assert await stage.opened(doing) == []
    assert await stage.pause() is None
    assert [message.hops async for message in stage.chain(A, B)][:2] == [1, 2]


async def test_nodes_count_together(stage: Stage) -> None:
    """Agents that speak through different nodes are stopped as if there were one, and let go on by either."""
    journal = Journal(stage.world.database, stage.world.heard, stage.clock)
    journal.start()
    other = replace(stage.world.ctx, journal=journal)
    try:
        await stage.say(ANN)
        await stage.be_silent()
        opened = []
        for n in range(4):
            draft = stage.world.draft("the same", principal=A, author_id=A.id)
            first = (await messages.submit(other, draft)).message
            opened.append(len(await stage.opened(first)))
            if n < 3:
                opened.append(len(await stage.opened(await stage.say(B, f"something else {n}"))))
        assert opened == [1, 1, 1, 1, 1, 1, 0]
        assert stage.told() == [("agents_paused", "repetition")]
        await messages.submit(other, stage.world.draft("well?", principal=ANN, author_id=ANN.id))
        assert [run.agent_id for run in await stage.opened(await stage.say(A))] == ["b"]
        assert stage.told()[1:] == [("agents_resumed", "ann")]
    finally:
        await journal.close()


async def test_a_pause_goes_with_its_channel(stage: Stage) -> None:
    """Nobody says anything there any more, so nothing of it is kept."""
    said = [message async for message in stage.chain(A, B)]
    assert "guards" in await stage.world.holders(said[-1].id)
    await clearing.delete(stage.world.ctx, SERVICE, stage.world.channel_id)
    assert "guards" not in await stage.world.holders(said[-1].id)
