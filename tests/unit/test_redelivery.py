"""Dead letters: listed, and sent again."""

from __future__ import annotations

import pytest

from rooms import (
    deliveries,
    edits,
    participants,
    platforms,
    redelivery,
    replies,
    run_lookup,
    webhooks,
)
from rooms.edits import Target
from rooms.errors import Conflict, NotFound
from rooms.ids import new_id
from rooms.outbox import State
from rooms.participants import Joining
from rooms.principals import Kind, Principal
from rooms.rows import Run
from tests.unit.abroad import ALL, Abroad
from tests.unit.journaling import SERVICE
from tests.unit.posting import Post
from tests.unit.staging import ANN, BOT


async def test_a_dead_letter_is_sent_again_and_answered(post: Post) -> None:
    """A new run is opened for the same message; what was dead says that it was sent again."""
    post.answering(500)
    first = await post.sent("are you there?")
    await post.fail_until_dead()
    post.replying("I am back")
    queued = await redelivery.redeliver(post.ctx, BOT, "bot", (await post.only()).id)
    await post.work()
    assert await post.states() == [State.REDELIVERED, State.DELIVERED]
    assert (await post.all())[0].error == "status_500"
    (second,) = [run for run in await post_runs(post, first) if run.id == queued.run_id]
    assert (second.message_id, second.id != first.id) == (first.message_id, True)
    assert await post.outcome(second) == ("completed", None)
    assert post.letters[-1].envelope["message"]["text"] == "are you there?"
    assert (await edits.require(post.ctx, Target(SERVICE, second.reply_id))).content == "I am back"
    assert post.ends(first) == post.ends(second) == 1


async def post_runs(post: Post, run: Run) -> list[Run]:
    """Return the runs of the run's message."""
    message = await edits.require(post.ctx, Target(SERVICE, run.message_id))
    return list(await run_lookup.list_of_message(post.ctx, SERVICE, message))


async def test_only_what_is_dead_is_sent_again(post: Post) -> None:
    """What is under way or was accepted is not, nor is what was sent again already."""
    post.answering(500)
    await post.sent()
    queued = await post.only()
    with pytest.raises(Conflict, match="queued"):
        await redelivery.redeliver(post.ctx, BOT, "bot", queued.id)
    await post.fail_until_dead()
    await redelivery.redeliver(post.ctx, BOT, "bot", queued.id)
    with pytest.raises(Conflict, match="redelivered"):
        await redelivery.redeliver(post.ctx, BOT, "bot", queued.id)
    assert len(await post.all()) == 2


async def test_a_dead_letter_whose_message_or_agent_is_gone_stays_dead(post: Post) -> None:
    """There must be a message to send, an agent in its channel, and a webhook to send it to."""
    post.answering(500)
    run = await post.sent()
    await post.fail_until_dead()
    dead = await post.only()
    await webhooks.remove(post.ctx, BOT, "bot")
    with pytest.raises(Conflict, match="no webhook"):
        await redelivery.redeliver(post.ctx, BOT, "bot", dead.id)
    await post.set_webhook()
    await participants.remove(post.ctx, SERVICE, post.world.channel_id, "bot")
    with pytest.raises(Conflict, match="takes part"):
        await redelivery.redeliver(post.ctx, BOT, "bot", dead.id)
    await participants.add(post.ctx, Joining(SERVICE, post.world.channel_id, "bot"))
    await edits.delete(post.ctx, Target(ANN, run.message_id))
    with pytest.raises(Conflict, match="deleted"):
        await redelivery.redeliver(post.ctx, BOT, "bot", dead.id)
    assert await post.states() == [State.DEAD]


@pytest.mark.parametrize("kind", ALL)
async def test_what_is_said_after_all_goes_back_to_the_platform(abroad: Abroad, kind: str) -> None:
    """However often it takes; where it goes is kept until then, and no longer."""
    await abroad.connect(kind)
    await abroad.post.set_webhook()
    abroad.post.answering(500)
    await abroad.ask(kind)
    for _ in range(2):
        await abroad.post.fail_until_dead()
        await abroad.post.work()
        assert abroad.said() == []
        dead = (await abroad.post.all())[-1]
        assert dead.state == State.DEAD
        await redelivery.redeliver(abroad.post.ctx, BOT, "bot", dead.id)
    abroad.post.replying("I am back")
    await abroad.post.work()
    assert abroad.said() == ["I am back"]
    listed = await replies.list_page(abroad.post.ctx, SERVICE, abroad.connected[kind].id, None, None, 50)
    assert [one.state for one in listed] == ["delivered", "redelivered", "redelivered"]
    assert [one.address for one in listed] == [None] * 3
    if kind == "discord":  # where the first end has taken the deferred answer back
        assert [sent.method for sent in abroad.api.sent] == ["DELETE", "POST"]


async def test_a_platform_that_is_gone_is_told_nothing(abroad: Abroad) -> None:
    """Nor does it keep a dead letter from being sent again."""
    platform = await abroad.connect("telegram")
    await abroad.post.set_webhook()
    abroad.post.answering(500)
    await abroad.ask("telegram")
    await abroad.post.fail_until_dead()
    await platforms.remove(abroad.post.ctx, SERVICE, platform.id)
    await redelivery.redeliver(abroad.post.ctx, BOT, "bot", (await abroad.post.only()).id)
    abroad.post.replying("I am back")
    await abroad.post.work()
    assert abroad.said() == []
    assert await abroad.post.states() == [State.REDELIVERED, State.DELIVERED]


async def test_deliveries_are_their_agents(post: Post) -> None:
    """Others neither see nor repeat them, and one agent's cannot be named as another's."""
    await post.sent()
    await post.add_agent("other")
    other = Principal("other", Kind.AGENT)
    delivery = await post.only()
    for principal in (other, ANN):
        with pytest.raises(NotFound):
            await deliveries.list_page(post.ctx, principal, "bot", None, None, 50)
        with pytest.raises(NotFound):
            await redelivery.redeliver(post.ctx, principal, "bot", delivery.id)
    for agent_id, delivery_id in (("other", delivery.id), ("bot", new_id()), ("bot", "x"), ("ann", "x")):
        with pytest.raises(NotFound):
            await redelivery.redeliver(post.ctx, SERVICE, agent_id, delivery_id)


async def test_deliveries_are_listed_in_pages(post: Post) -> None:
    """The newest first, in one state if that is asked for."""
    post.answering(500)
    await post.sent()
    await post.fail_until_dead()
    await post.sent()
    await post.sent()
    newest = await deliveries.list_page(post.ctx, BOT, "bot", None, None, 2)
    older = await deliveries.list_page(post.ctx, BOT, "bot", None, newest[-1].id, 2)
    assert [delivery.state for delivery in [*newest, *older]] == ["queued", "queued", "dead"]
    (dead,) = await deliveries.list_page(post.ctx, BOT, "bot", State.DEAD, None, 50)
    assert dead.id == older[0].id
