"""The response cache over real databases: who is asked, who is answered with what, and what is not shared."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rooms import agents, chunks, completion, edits, mutes, participants, run_lookup, sharing
from rooms.agents import Change
from rooms.approvals import Request
from rooms.chunks import Chunk
from rooms.completion import Completion, Sign
from rooms.edits import Edit, Target
from rooms.errors import Conflict
from rooms.mutes import Muting
from rooms.participants import Joining
from rooms.publishing import Event
from rooms.response_cache import MAX_ENTRIES, TTL_SECONDS, ResponseCache
from rooms.rows import Message, Run
from rooms.rules import DEFAULT_SERVER_ID
from rooms.run_lookup import Prompt
from rooms.storing import store_all
from tests.unit.journaling import SERVICE
from tests.unit.posting import Post
from tests.unit.staging import ANN, BEN, BOT, OTHER_BOT, Stage

CACHEABLE = {"RESPONSE_CACHE": True}
ASKED = ("queued", None)
AWAITING = ("working", "cached")
ANSWERED = ("completed", "cached")


async def describe(stage: Stage, settings: dict[str, Any], agent_id: str = BOT.id) -> None:
    """Give the agent other settings."""
    await agents.change(stage.world.ctx, Change(SERVICE, agent_id, settings=settings, registers=True))


async def settle(stage: Stage) -> None:
    """Do what the server does after a commit that may have left something to be shared."""
    while await sharing.settle(stage.world.ctx):
        pass


async def ask(stage: Stage, content: str = "what is two and two?", **fields: Any) -> Run:
    """Say something, and return the run that it opened, once nothing is left to be shared."""
    message = await stage.say(content, fields.pop("who", ANN), **fields)
    await settle(stage)
    (run,) = await run_lookup.list_of_message(stage.world.ctx, SERVICE, message)
    return run


async def answer(stage: Stage, run: Run, text: str = "four") -> None:
    """Have the agent answer the run as one that knows of runs."""
    await stage.claim(run)
    await stage.complete(run, text)
    await settle(stage)


async def stand(stage: Stage, *found: Run) -> list[tuple[str, str | None]]:
    """Return state and reason of the runs as they stand."""
    now = [await stage.now(run) for run in found]
    return [(run.state, run.reason) for run in now]


async def reply_to(stage: Stage, run: Run) -> Message:
    """Return the stored reply."""
    return await edits.require(stage.world.ctx, Target(ANN, (await stage.now(run)).reply_id))


@pytest.fixture
async def cached(stage: Stage) -> Stage:
    """Give a stage whose agent has said that its replies are cacheable."""
    await describe(stage, CACHEABLE)
    return stage


async def test_a_prompt_is_answered_with_what_was_said_to_it_before(cached: Stage) -> None:
    """The second is answered without the agent, by a stored and published message that says so."""
    await answer(cached, await ask(cached, "what is  two\nand two? é"))
    run = await ask(cached, " what is two and two? e\u0301", who=BEN)
    reply = await reply_to(cached, run)
    assert (reply.content, reply.author_id, reply.parent_id) == ("four", BOT.id, run.message_id)
    assert (reply.details["cached"], reply.details["agent_name"]) == (True, "Bot")
    assert cached.world.heard.texts[-1] == "four"
    assert cached.told(run) == [("run", *AWAITING), ("run", *ANSWERED), ("complete", *ANSWERED)]


@pytest.mark.parametrize("settings", [{}, {"RESPONSE_CACHE": False}, {"RESPONSE_CACHE": "no"}])
async def test_an_agent_that_does_not_say_so_is_asked_each_time(stage: Stage, settings: Any) -> None:
    """Nothing is cached that the agent has not opted in."""
    await describe(stage, settings)
    await answer(stage, await ask(stage))
    assert await stand(stage, await ask(stage)) == [ASKED]


@pytest.mark.parametrize(
    "other",
    ["What is two and two?", "what is two and two", "whatistwoandtwo?"],
)
async def test_another_prompt_is_a_miss(cached: Stage, other: str) -> None:
    """Case, punctuation and whether there is white space make another prompt."""
    await answer(cached, await ask(cached))
    assert await stand(cached, await ask(cached, other)) == [ASKED]


async def test_a_hundred_equal_prompts_at_once_are_one_call(cached: Stage) -> None:
    """The agent is told of one run; the others wait for its reply, and each ends once with it."""
    said = await asyncio.gather(*(cached.say("the same") for _ in range(100)))
    opened = [
        run for message in said for run in await run_lookup.list_of_message(cached.world.ctx, ANN, message)
    ]
    await settle(cached)
    (asked,) = [run for run in opened if run.state == "queued"]
    awaiting = [run for run in opened if run.id != asked.id]
    assert await stand(cached, *awaiting) == [AWAITING] * 99
    await answer(cached, asked, "one reply")
    assert await stand(cached, *awaiting) == [ANSWERED] * 99
    assert {(await reply_to(cached, run)).content for run in opened} == {"one reply"}
    assert [len(cached.ends(run)) for run in opened] == [1] * 100
    assert [run for run in opened if ("run", "queued", None) in cached.told(run)] == [asked]


async def test_prompts_that_come_in_the_commit_of_the_reply_await_it(cached: Stage) -> None:
    """Between the reply and the cache's knowledge of it there is no gap."""
    asked = await ask(cached)
    await cached.claim(asked)
    journal, before = cached.world.journal, cached.world.database.commits
    completing = Completion(Sign(BOT, asked.id), "four")
    draft = cached.world.draft("what is two and two?", principal=ANN, author_id=ANN.id)
    completed = journal.begin(completion._complete_all, completing, DEFAULT_SERVER_ID)
    submitted = await journal.append_one(store_all, draft, DEFAULT_SERVER_ID)
    assert (completed.done(), cached.world.database.commits) == (True, before + 1)
    await settle(cached)
    (run,) = await run_lookup.list_of_message(cached.world.ctx, ANN, submitted.message)
    assert await stand(cached, run) == [ANSWERED]


async def test_if_the_first_fails_the_next_one_goes_to_the_agent(cached: Stage) -> None:
    """Those that wait do not hang: one of them is asked, and the others wait for that."""
    first, second, third = [await ask(cached) for _ in range(3)]
    await cached.claim(first)
    await cached.complete(first, has_failed=True)
    await settle(cached)
    assert await stand(cached, second, third) == [ASKED, AWAITING]
    assert (await cached.now(second)).due_at == cached.world.ctx.now() + 60_000
    await answer(cached, second)
    assert await stand(cached, third) == [ANSWERED]
    assert cached.told(second)[:2] == [("run", *AWAITING), ("run", *ASKED)]


@pytest.mark.parametrize("how", ["cancelled", "deleted", "silent", "dead"])
async def test_whatever_else_than_a_reply_is_not_shared(cached: Stage, how: str) -> None:
    """A run that was stopped, or has nothing to say, leaves the next one to the agent."""
    ctx = cached.world.ctx
    first, second = await ask(cached), await ask(cached)
    await cached.claim(first)
    if how == "cancelled":
        await completion.cancel(ctx, Sign(ANN, first.id))
    elif how == "deleted":
        await edits.delete(ctx, Target(ANN, first.message_id))
    elif how == "silent":
        await cached.complete(first)
    else:
        await cached.pass_time(31)
    await settle(cached)
    assert await stand(cached, second) == [ASKED]


async def test_where_nobody_is_there_all_have_waited_at_the_same_time(cached: Stage) -> None:
    """An agent that is away keeps a prompt for as long as if it had been asked it alone."""
    opened = [await ask(cached) for _ in range(3)]
    for _ in opened:
        await cached.pass_time(20)
        await settle(cached)
    for _ in opened:
        await cached.pass_time(0)
        await settle(cached)
    assert await stand(cached, *opened) == [("failed", "agent_offline")] * 3


async def test_who_awaits_for_too_long_is_told_so(cached: Stage) -> None:
    """Whatever becomes of the run that it awaits, a run has its end after ten minutes."""
    asked = await ask(cached)
    await cached.claim(asked)
    awaiting = await ask(cached)
    question = await cached.say("sure?", BOT, approval=Request(("yes", "no"), lasts_ms=3_600_000))
    assert question.approval is not None
    await cached.pass_time(600)
    assert cached.ends(awaiting) == [("timed_out", "too_long")]
    assert await stand(cached, asked) == [("working", None)]


async def test_a_reply_is_kept_for_an_hour(cached: Stage) -> None:
    """It is served until then, and not for longer because it was served."""
    await answer(cached, await ask(cached))
    cached.clock.now += TTL_SECONDS - 1
    assert await stand(cached, await ask(cached)) == [ANSWERED]
    cached.clock.now += 1
    assert await stand(cached, await ask(cached)) == [ASKED]


async def test_only_what_the_agent_itself_has_answered_is_looked_through_again(cached: Stage) -> None:
    """A run that shared a reply, or that failed, is found by its prompt no more, however many there are."""
    first, second = await ask(cached), await ask(cached)
    await answer(cached, first)
    failed = await ask(cached, "and three?")
    await cached.complete(failed, has_failed=True)
    now = [await cached.now(run) for run in (first, second, failed)]
    assert [run.prompt_key is not None for run in now] == [True, False, False]


def test_of_a_thousand_and_one_prompts_the_one_that_was_used_longest_ago_goes() -> None:
    """The cache has its bound, and what is asked for stays."""
    cache = ResponseCache(lambda: 0.0)
    keys = [b"%d" % number for number in range(MAX_ENTRIES + 1)]
    cache.publish([_answered(key) for key in keys[:-1]])
    assert cache.find(keys[0]) == "0"
    cache.publish([_answered(keys[-1])])
    missing = [key for key in keys if cache.find(key) is None]
    assert missing == [keys[1]]


def _answered(key: bytes) -> Event:
    fields: dict[str, Any] = dict.fromkeys(Run._fields)
    run = Run(**{**fields, "id": key.decode(), "prompt_key": key})
    return Event("server", 1, 1, "channel", "complete", {}, b"", subject=run)


@pytest.mark.parametrize("what", ["reply", "prompt"])
async def test_what_was_deleted_is_served_no_more(cached: Stage, what: str) -> None:
    """Nothing of a deleted reply, or of a reply to a deleted prompt, is told to anybody."""
    first = await ask(cached)
    await answer(cached, first)
    await edits.delete(
        cached.world.ctx, Target(SERVICE, first.reply_id if what == "reply" else first.message_id)
    )
    again = await ask(cached)
    assert await stand(cached, again) == [ASKED]
    await answer(cached, again, "4")
    assert (await reply_to(cached, await ask(cached))).content == "4"


async def test_a_reply_that_was_edited_is_served_as_it_is_now(cached: Stage) -> None:
    """Its agent has corrected itself."""
    first = await ask(cached)
    await answer(cached, first, "five")
    await edits.edit(cached.world.ctx, Edit(Target(BOT, first.reply_id), "four"))
    assert (await reply_to(cached, await ask(cached))).content == "four"


async def test_the_reply_to_an_edited_prompt_is_not_shared(cached: Stage) -> None:
    """Nobody knows which text the agent has read; and a run whose own prompt was edited asks for itself."""
    first, second = await ask(cached), await ask(cached)
    cached.clock.now += 1
    await edits.edit(cached.world.ctx, Edit(Target(ANN, first.message_id), "what is three and three?"))
    await answer(cached, first, "six")
    assert await stand(cached, second) == [ASKED]
    third = await ask(cached)
    cached.clock.now += 1
    await edits.edit(cached.world.ctx, Edit(Target(ANN, third.message_id), "what else?"))
    await answer(cached, second)
    assert await stand(cached, third) == [ASKED]


async def test_settings_count_at_once(cached: Stage) -> None:
    """With other settings an agent is another one, and nothing is served of one that has opted out."""
    await answer(cached, await ask(cached))
    await describe(cached, {**CACHEABLE, "model": "another"})
    asked, awaiting = await ask(cached), await ask(cached)
    assert await stand(cached, asked, awaiting) == [ASKED, AWAITING]
    await describe(cached, {})
    await answer(cached, asked)
    assert await stand(cached, awaiting, await ask(cached)) == [ASKED, ASKED]


async def test_each_agent_has_its_own_replies(cached: Stage) -> None:
    """What one agent says is no reply of another's."""
    await answer(cached, await ask(cached))
    await describe(cached, CACHEABLE, OTHER_BOT.id)
    await participants.add(cached.world.ctx, Joining(SERVICE, cached.world.channel_id, OTHER_BOT.id))
    message = await cached.say("what is two and two?")
    await settle(cached)
    opened = await run_lookup.list_of_message(cached.world.ctx, ANN, message)
    assert {run.agent_id: run.state for run in opened} == {BOT.id: "completed", OTHER_BOT.id: "queued"}


async def test_what_is_more_than_its_text_goes_to_the_agent(cached: Stage) -> None:
    """An attachment, and what a message answers, are a part of what is asked; so is who asks decisions."""
    first = await ask(cached)
    await answer(cached, first)
    attached = await ask(cached, attachments=[{"url": "https://example.com/a.png", "name": "a.png"}])
    replied = await ask(cached, parent_id=first.message_id)
    request = Request(("yes", "no"), lasts_ms=60_000)
    decided = await ask(cached, approval=request, who=SERVICE)
    assert await stand(cached, attached, replied, decided) == [ASKED] * 3


async def test_agents_do_not_get_each_other_s_replies(cached: Stage) -> None:
    """What an agent says is for the other to hear itself."""
    await answer(cached, await ask(cached))
    await describe(cached, {}, OTHER_BOT.id)
    await participants.add(cached.world.ctx, Joining(SERVICE, cached.world.channel_id, OTHER_BOT.id))
    said = await cached.say("what is two and two?", OTHER_BOT)
    (run,) = await run_lookup.list_of_message(cached.world.ctx, SERVICE, said)
    assert (run.agent_id, run.state) == (BOT.id, "queued")


async def test_an_answer_that_does_not_say_what_it_answers_is_not_shared(cached: Stage) -> None:
    """It may be one to something else; one that names the message is certain."""
    first, second = await ask(cached), await ask(cached)
    await cached.say("four, I guess", BOT)
    await settle(cached)
    assert await stand(cached, first, second) == [("completed", None), ASKED]
    await cached.say("four", BOT, parent_id=second.message_id)
    assert (await reply_to(cached, await ask(cached))).content == "four"


async def test_a_reply_with_a_file_is_not_shared(cached: Stage) -> None:
    """The cache knows texts alone."""
    first = await ask(cached)
    file = {"url": "https://example.com/a.png", "name": "a.png"}
    await cached.say("see this", BOT, parent_id=first.message_id, attachments=[file])
    assert await stand(cached, await ask(cached)) == [ASKED]


async def test_completing_by_prompt_feeds_the_cache_and_means_the_run_that_was_told(cached: Stage) -> None:
    """An agent that names agent, channel, user and prompt is done with what it was told of."""
    first, second = await ask(cached), await ask(cached)
    prompt = Prompt(BOT.id, cached.world.channel_id, ANN.id, "what is two and two?")
    found = await run_lookup.require_by_prompt(cached.world.ctx, BOT, prompt)
    assert found.id == first.id
    in_channel = await run_lookup.find_in_channel(cached.world.ctx, BOT, cached.world.channel_id)
    assert in_channel is not None
    assert in_channel.id == first.id
    await cached.complete(found, "four")
    await settle(cached)
    assert await stand(cached, second, await ask(cached)) == [ANSWERED, ANSWERED]


async def test_what_awaits_is_not_the_agent_s_to_take(cached: Stage) -> None:
    """To its agent it looks as if another process had it."""
    await ask(cached)
    awaiting = await ask(cached)
    with pytest.raises(Conflict):
        await cached.claim(awaiting)
    with pytest.raises(Conflict):
        await completion.progress(cached.world.ctx, Sign(BOT, awaiting.id))
    with pytest.raises(Conflict):
        await chunks.say(cached.world.ctx, Chunk(Sign(BOT, awaiting.id, fence=1), 0, "fo"))
    # But what it says to it all the same is its reply.
    await completion.complete(cached.world.ctx, Completion(Sign(BOT, awaiting.id), "four"))
    assert (await cached.now(awaiting)).state == "completed"


async def test_muting_ends_what_awaits(cached: Stage) -> None:
    """A muted agent does not speak from the cache either."""
    await ask(cached)
    awaiting = await ask(cached)
    await mutes.mute(cached.world.ctx, Muting(SERVICE, cached.world.channel_id, BOT.id))
    assert await stand(cached, awaiting) == [("ignored", "muted")]


async def test_an_approval_waits_for_the_run_that_the_agent_has(cached: Stage) -> None:
    """What an agent asks people for belongs to none that it was not told of."""
    first = await ask(cached)
    await cached.claim(first)
    await ask(cached)
    question = await cached.say("sure?", BOT, approval=Request(("yes", "no"), lasts_ms=60_000))
    assert question.approval is not None
    assert question.approval.run_id == first.id


async def test_a_restart_leaves_nobody_waiting(cached: Stage) -> None:
    """What awaits is in the database; what the cache knew is asked again."""
    first, second = await ask(cached), await ask(cached)
    cached.world.journal.responses._run_ids.clear()
    await answer(cached, first)
    assert await stand(cached, second) == [ANSWERED]


async def test_what_is_handed_over_is_sent_to_the_webhook(post: Post) -> None:
    """An agent that keeps no connection learns of the next one, too."""
    await agents.change(post.ctx, Change(SERVICE, "bot", settings=CACHEABLE, registers=True))
    first, second = await post.sent(), await post.sent()
    assert len(await post.all()) == 1
    await completion.cancel(post.ctx, Sign(ANN, first.id))
    while await sharing.settle(post.ctx):
        pass
    post.replying("hello")
    await post.work()
    assert [letter.envelope["run"]["id"] for letter in post.letters] == [second.id]
    assert await post.outcome(second) == ("completed", None)
