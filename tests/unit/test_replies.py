"""Replies to platforms over real databases and a real API: sent once, in parts, and tried again."""

from __future__ import annotations

import pytest
from aiohttp import web

from rooms import deliveries, edits, incoming, messages, platforms, replies, uses, vault
from rooms.edits import Target
from rooms.errors import Conflict, NotFound, Unavailable
from rooms.external import user_id
from rooms.outbox import State
from rooms.parcels import Outcome
from rooms.platforms import Change
from rooms.store.vault import UseFilter
from tests.platforms import said
from tests.unit.abroad import ALL, Abroad
from tests.unit.journaling import SERVICE
from tests.unit.staging import BOT


@pytest.mark.parametrize("kind", ALL)
async def test_a_reply_goes_back_to_where_its_question_came_from(abroad: Abroad, kind: str) -> None:
    """Once it is there, and once; the user and the channel are the platform's."""
    await abroad.connect(kind)
    run = await abroad.ask(kind)
    assert await abroad.state(kind) == (State.WAITING, None)
    await abroad.post.work()
    assert abroad.api.sent == []
    await abroad.answer(run)
    for _ in range(2):
        await abroad.post.work(60)
    assert abroad.said() == ["hello Ann"]
    assert await abroad.state(kind) == (State.DELIVERED, None)
    assert (await abroad.delivery(kind)).address is None
    if kind != "webhook":
        assert run.user_id == user_id(kind, "5")


async def test_after_an_hour_it_is_dead_and_can_be_sent_again(abroad: Abroad) -> None:
    """As a dead letter, which an operator has sent once the platform is well."""
    platform = await abroad.connect("telegram")
    await abroad.answer(await abroad.ask("telegram"))
    abroad.api.answers = [web.Response(status=500) for _ in range(99)]
    for _ in range(20):
        await abroad.post.work(400)
    dead = await abroad.delivery("telegram")
    assert (dead.state, dead.error) == (State.DEAD, "status_500")
    assert len(abroad.api.sent) == 9
    abroad.api.answers.clear()
    again = await replies.redeliver(abroad.post.ctx, SERVICE, platform.id, dead.id)
    assert (again.state, again.attempts) == (State.QUEUED, 0)
    await abroad.post.work()
    assert await abroad.state("telegram") == (State.DELIVERED, None)
    with pytest.raises(Conflict):
        await replies.redeliver(abroad.post.ctx, SERVICE, platform.id, dead.id)
    with pytest.raises(NotFound):
        await replies.redeliver(abroad.post.ctx, SERVICE, platform.id, platform.id)


async def test_a_bot_that_knows_nothing_of_runs_answers_abroad(abroad: Abroad) -> None:
    """It submits its answer as it does to anybody."""
    await abroad.connect("telegram")
    run = await abroad.ask("telegram")
    answer = abroad.post.world.draft(
        "hello Ann", principal=BOT, author_id="bot", channel_id=run.channel_id, parent_id=run.message_id
    )
    await messages.submit(abroad.post.ctx, answer)
    await abroad.post.work()
    assert abroad.said() == ["hello Ann"]


async def test_of_a_long_reply_only_what_has_not_arrived_is_sent_again(abroad: Abroad) -> None:
    """Its parts are sent one by one, in order."""
    await abroad.connect("discord")
    text = "\n\n".join(letter * 1_500 for letter in "abc")
    await abroad.answer(await abroad.ask("discord"), text)
    abroad.api.answers = [web.Response(), web.Response(status=500)]
    await abroad.post.work()
    assert (await abroad.delivery("discord")).sent == 1
    await abroad.post.work(2)
    await abroad.post.work()
    assert [text[0] for text in abroad.said()] == ["a", "b", "b", "c"]
    assert await abroad.state("discord") == (State.DELIVERED, None)
    assert (await abroad.delivery("discord")).sent == 3
    assert [sent.method for sent in abroad.api.sent] == ["PATCH", "POST", "POST", "POST"]


async def test_what_came_of_one_part_is_not_taken_for_what_came_of_the_next(abroad: Abroad) -> None:
    """A process that was held up tells of its attempt when another one has begun with the next part."""
    await abroad.connect("discord")
    await abroad.answer(await abroad.ask("discord"), "\n\n".join(letter * 1_500 for letter in "ab"))
    (late,) = await abroad.post.take()
    abroad.post.now += 31
    (again,) = await abroad.post.take()
    assert late is not None
    assert again is not None
    assert await deliveries.settle(abroad.post.ctx, Outcome(again)) is State.QUEUED
    (following,) = await abroad.post.take()
    assert following is not None
    assert (following.part, following.attempt, late.attempt) == (1, 1, 1)
    assert await deliveries.settle(abroad.post.ctx, Outcome(late)) is None
    assert await deliveries.settle(abroad.post.ctx, Outcome(following)) is State.DELIVERED


async def test_a_run_without_a_reply_says_nothing(abroad: Abroad) -> None:
    """But to Discord, whose deferred answer is taken back."""
    for kind in ("telegram", "discord"):
        await abroad.connect(kind)
        await abroad.answer(await abroad.ask(kind), None)
        await abroad.post.work()
    assert [(sent.method, sent.path.rpartition("/")[2]) for sent in abroad.api.sent] == [
        ("DELETE", "@original")
    ]
    assert [await abroad.state(kind) for kind in ("telegram", "discord")] == [
        (State.OBSOLETE, None),
        (State.DELIVERED, None),
    ]
    assert (await abroad.delivery("discord")).sent == 0


async def test_a_reply_that_was_deleted_meanwhile_is_not_said(abroad: Abroad) -> None:
    """Nor one to a platform that is not connected any more."""
    for kind in ("telegram", "twitter"):
        await abroad.connect(kind)
        await abroad.answer(run := await abroad.ask(kind))
        if kind == "telegram":
            await edits.delete(abroad.post.ctx, Target(SERVICE, run.reply_id))
    gone = abroad.connected["twitter"]
    await platforms.remove(abroad.post.ctx, SERVICE, gone.id)
    await abroad.post.work()
    assert abroad.api.sent == []
    assert await abroad.state("telegram") == (State.OBSOLETE, None)
    assert await incoming.find_door(abroad.post.ctx, gone.id) is None


async def test_replies_outlast_whoever_was_about_to_send_them(abroad: Abroad) -> None:
    """An attempt of a process that was killed is made again by the next one, half a minute later."""
    await abroad.connect("telegram")
    await abroad.answer(await abroad.ask("telegram"))
    (parcel,) = await abroad.post.take()
    assert parcel is not None
    await abroad.post.work(29)
    assert abroad.said() == []
    await abroad.post.work(2)
    assert abroad.said() == ["hello Ann"]
    assert await deliveries.settle(abroad.post.ctx, Outcome(parcel, error="timeout")) is None
    assert await abroad.state("telegram") == (State.DELIVERED, None)


async def test_an_agent_with_a_webhook_answers_abroad_too(abroad: Abroad) -> None:
    """Its run goes to its webhook, and what that answers to the platform; each is listed in its own place."""
    await abroad.post.set_webhook()
    abroad.post.replying("by the webhook")
    await abroad.connect("telegram")
    await abroad.ask("telegram")
    await abroad.post.work()
    assert abroad.said() == ["by the webhook"]
    assert await abroad.post.states() == [State.DELIVERED]
    assert await abroad.state("telegram") == (State.DELIVERED, None)


async def test_a_secret_is_used_as_long_as_it_is_granted(abroad: Abroad) -> None:
    """Then nothing comes in, and what is to go out waits for the grant; both are told."""
    await abroad.connect("telegram")
    await abroad.answer(await abroad.ask("telegram"))
    for use in ("secret_token", "bot_token"):
        await vault.withdraw(abroad.post.ctx, SERVICE, f"telegram-{use}", "bot")
    with pytest.raises(Unavailable):
        await abroad.knock("telegram", said("telegram", "more", 2, now=abroad.post.now))
    await abroad.post.work()
    assert abroad.api.sent == []
    assert await abroad.state("telegram") == (State.QUEUED, "secret_not_granted")
    await vault.grant(abroad.post.ctx, SERVICE, "telegram-bot_token", "bot")
    await abroad.post.work(2)
    assert abroad.said() == ["hello Ann"]
    lines = await uses.list_page(abroad.post.ctx, SERVICE, UseFilter(agent_id="bot"), None, 50)
    told = {(line.purpose, line.outcome) for line in lines if line.purpose != "webhook"}
    assert told == {
        ("incoming", "opened"),
        ("incoming", "not_granted"),
        ("check", "opened"),
        ("reply", "not_granted"),
        ("reply", "opened"),
    }


async def test_what_a_platform_is_like_can_change(abroad: Abroad) -> None:
    """Replies that wait go to where it is then."""
    platform = await abroad.connect("telegram")
    run = await abroad.ask("telegram")
    await platforms.change(abroad.post.ctx, Change(SERVICE, platform.id, api_url=f"{abroad.url}/moved/"))
    await abroad.answer(run)
    await abroad.post.work()
    assert abroad.api.sent[0].path.startswith("/moved/bot")
