"""Deliveries among what else happens: processes die, nodes compete, runs end and messages go."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from aiohttp import web
from sqlalchemy import Connection, text

from rooms import completion, deliveries, edits, store, webhooks
from rooms.completion import Sign
from rooms.deliveries import HOLD_MS, MAX_ATTEMPTS, PAUSES_MS
from rooms.edits import Target
from rooms.errors import NotFound, ParleyError
from rooms.journal import Journal
from rooms.outbox import SPREAD, State
from rooms.parcels import Outcome
from server import courier as couriers
from server.courier import Courier
from tests.unit.journaling import SERVICE, Heard
from tests.unit.posting import Post
from tests.unit.staging import ANN, BOT


async def test_an_attempt_that_a_process_did_not_survive_is_made_again(post: Post) -> None:
    """It was counted before it was made; nobody else makes it in the meantime; the id stays the same."""
    await post.sent()
    (parcel,) = await post.take()
    assert (await post.only()).attempts == 1
    await post.work(HOLD_MS / 1000 - 1)
    assert post.letters == []
    await post.work(1)
    (letter,) = post.letters
    assert parcel is not None
    assert letter.headers["webhook-id"] == parcel.delivery_id
    assert ((await post.only()).attempts, await post.states()) == (2, [State.DELIVERED])


async def test_a_delivery_that_no_process_survives_is_given_up(post: Post) -> None:
    """Attempts whose outcome nobody has told count as failures."""
    run = await post.sent()
    for _ in range(MAX_ATTEMPTS):
        assert await post.take() != []
        post.now += HOLD_MS / 1000
    await post.work()
    assert ((await post.only()).state, (await post.only()).error) == ("dead", "interrupted")
    assert await post.outcome(run) == ("failed", "undeliverable")
    assert post.letters == []


async def test_an_attempt_that_is_broken_off_is_soon_made_again(post: Post) -> None:
    """A process that stops does not wait for receivers, and what it had begun does not wait for long."""
    arrived = asyncio.Event()

    async def hang(_request: web.Request) -> web.Response:
        arrived.set()
        await asyncio.Event().wait()
        return web.Response()

    post.answer = hang
    run = await post.sent()
    courier = Courier(post.ctx, post.fetcher)
    await courier.begin()
    await arrived.wait()
    await courier.stop()
    assert ((await post.only()).state, (await post.only()).error) == ("queued", "interrupted")
    post.replying("here")
    await post.work(PAUSES_MS[0] * (1 + SPREAD) / 1000)
    assert await post.outcome(run) == ("completed", None)


async def test_two_nodes_never_make_one_attempt_twice(post: Post) -> None:
    """Of two that have seen the same deliveries each is made by one, whoever commits first."""
    for _ in range(10):
        await post.say()
    node = Journal(post.world.database.inner, Heard(), post.world.journal.clock)
    node.start()
    contexts = [post.ctx, replace(post.ctx, journal=node)]
    try:
        seen = [await deliveries.list_due(ctx, [], 50) for ctx in contexts]
        assert seen[0] == seen[1]
        taken = await asyncio.gather(*map(deliveries.take, contexts, seen))
    finally:
        await node.close()
    made = [parcel.delivery_id for parcels in taken for parcel in parcels if parcel]
    assert sorted(made) == sorted(due.id for due in seen[0])
    assert {delivery.attempts for delivery in await post.all()} == {1}


def test_an_attempt_is_over_before_the_next_may_begin() -> None:
    """Two processes would make one at once otherwise, with time to store what came of it."""
    assert couriers.ATTEMPT_SECONDS * 1000 + 10_000 <= HOLD_MS


async def test_an_outcome_that_comes_too_late_counts_no_more(post: Post) -> None:
    """A process that was frozen for so long that another has made the attempt changes nothing."""
    run = await post.sent()
    (late,) = await post.take()
    post.now += HOLD_MS / 1000
    (second,) = await post.take()
    assert late is not None
    assert second is not None
    for outcome in (Outcome(late, b'{"response":"the first"}'), Outcome(late, error="timeout")):
        assert await deliveries.settle(post.ctx, outcome) is None
    assert await post.outcome(run) == ("queued", None)
    answered = Outcome(second, b'{"response":"the second"}')
    assert await deliveries.settle(post.ctx, answered) is State.DELIVERED
    for outcome in (answered, Outcome(second, error="timeout")):
        assert await deliveries.settle(post.ctx, outcome) is None
    assert await post.states() == [State.DELIVERED]
    assert (await edits.require(post.ctx, Target(SERVICE, run.reply_id))).content == "the second"
    assert post.ends(run) == 1


async def test_what_was_deleted_meanwhile_is_not_sent(post: Post) -> None:
    """Nobody is sent a message that is gone, also not in what was queued before."""
    post.answering(500)
    run = await post.sent("confidential")
    await post.work()
    await edits.delete(post.ctx, Target(ANN, run.message_id))
    await post.work(60)
    assert len(post.letters) == 1
    assert await post.states() == [State.OBSOLETE]
    assert await post.outcome(run) == ("cancelled", "message_deleted")


async def test_what_was_edited_meanwhile_is_sent_as_it_is(post: Post) -> None:
    """The envelope is made when it is sent."""
    post.answering(500)
    run = await post.sent("first")
    await post.work()
    await edits.edit(post.ctx, edits.Edit(Target(ANN, run.message_id), "second"))
    await post.work(2)
    assert [letter.envelope["message"]["text"] for letter in post.letters] == ["first", "second"]


async def test_a_run_that_was_taken_elsewhere_is_not_sent(post: Post) -> None:
    """An agent with a webhook may be connected too; whoever is first has the run."""
    run = await post.sent()
    await completion.claim(post.ctx, Sign(BOT, run.id, "socket"))
    await post.work()
    assert post.letters == []
    assert await post.states() == [State.OBSOLETE]
    assert (await post.run(run)).holder == "socket"


async def test_an_agent_that_gives_a_sign_during_the_attempt_still_answers_it(post: Post) -> None:
    """The reply in the answer counts, whether the run was taken by the answer or before."""
    run = await post.sent()
    (parcel,) = await post.take()
    assert parcel is not None
    await completion.progress(post.ctx, Sign(BOT, run.id))
    await deliveries.settle(post.ctx, Outcome(parcel, b'{"response":"it took a while"}'))
    assert await post.outcome(run) == ("completed", None)
    assert post.ends(run) == 1


@pytest.mark.parametrize("status", [200, 500])
async def test_a_run_that_ends_during_the_attempt_stays_ended(post: Post, status: int) -> None:
    """Whatever the receiver answers to what is not asked any more, the run has one end."""
    run = await post.sent()
    (parcel,) = await post.take()
    assert parcel is not None
    await completion.cancel(post.ctx, Sign(ANN, run.id))
    answered = Outcome(parcel, b'{"response":"too late"}') if status == 200 else Outcome(parcel, error="x")
    settled = await deliveries.settle(post.ctx, answered)
    assert settled == (State.DELIVERED if status == 200 else State.OBSOLETE)
    assert await post.outcome(run) == ("cancelled", None)
    assert post.ends(run) == 1
    await post.work(60)
    assert post.letters == []


async def test_a_receiver_that_is_gone_loses_its_webhook(post: Post) -> None:
    """410 says so: this delivery is dead, and later runs wait for the agent as any other's do."""
    post.answering(410)
    run = await post.sent()
    await post.work()
    assert ((await post.only()).state, (await post.only()).error) == ("dead", "status_410")
    assert await post.outcome(run) == ("failed", "undeliverable")
    with pytest.raises(NotFound):
        await webhooks.require(post.ctx, BOT, "bot")
    later = await post.sent()
    assert (await post.run(later)).due_at == round(post.now * 1000) + post.ctx.policy.queue_ms
    await post.work(60)
    assert len(post.letters) == len(await post.all()) == 1


async def test_a_receiver_that_is_gone_does_not_take_its_successor_along(post: Post) -> None:
    """A webhook that was set while the old one was asked stays."""
    await post.sent()
    (parcel,) = await post.take()
    assert parcel is not None
    await post.set_webhook(path="successor")
    await deliveries.settle(post.ctx, Outcome(parcel, error="status_410", is_gone=True))
    assert (await webhooks.require(post.ctx, BOT, "bot")).url.endswith("successor")


async def test_without_its_webhook_an_agent_is_waited_for_as_any_other(post: Post) -> None:
    """What is queued is sent nowhere any more, and its run ends in time unless the agent takes it."""
    run = await post.sent()
    await webhooks.remove(post.ctx, BOT, "bot")
    await post.work()
    assert (await post.states(), post.letters) == ([State.OBSOLETE], [])
    await post.end_overdue()
    assert await post.outcome(run) == ("queued", None)
    post.now += post.ctx.policy.queue_ms / 1000
    await post.end_overdue()
    assert await post.outcome(run) == ("failed", "agent_offline")


async def test_nothing_is_queued_for_others(post: Post) -> None:
    """Agents without a webhook, and those that are not to speak, are sent nothing."""
    await post.add_agent("quiet")
    await post.set_webhook("quiet")
    await post.add_agent("plain")

    def mute(connection: Connection) -> None:
        row = {"channel": post.world.channel_id, "agent": "quiet"}
        statement = "INSERT INTO mutes VALUES (:channel, :agent, '', NULL, 'ann', 0)"
        connection.execute(text(statement), row)

    await post.world.database.write(mute)
    await post.say()
    due = await deliveries.list_due(post.ctx, [], 50)
    assert [one.agent_id for one in due] == ["bot"]


async def test_a_message_is_not_stored_without_its_delivery(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are one commit: what cannot be queued is not accepted either."""

    def fail(*_arguments: object) -> None:
        raise RuntimeError

    before = await post.world.stored()
    with monkeypatch.context() as patched:
        patched.setattr(store.deliveries, "add", fail)
        with pytest.raises(ParleyError):
            await post.say("lost")
    assert await post.world.stored() == before


async def test_a_courier_carries_a_few_at_a_time(post: Post) -> None:
    """Eight attempts at once, four of them for one agent, so that one that hangs leaves room for others."""
    under_way: list[str] = []
    most: list[int] = []
    enough, released = asyncio.Event(), asyncio.Event()

    async def hold(request: web.Request) -> web.Response:
        under_way.append(request.path)
        most.append(len(under_way))
        if len(under_way) == 8:
            enough.set()
        await released.wait()
        under_way.remove(request.path)
        return web.Response()

    post.answer = hold
    for _ in range(6):
        await post.say()
    for agent_id in ("second", "third"):
        await post.add_agent(agent_id)
        await post.set_webhook(agent_id, path=agent_id)
    for _ in range(3):
        await post.say()
    courier = Courier(post.ctx, post.fetcher)
    while await courier.begin():
        pass
    await enough.wait()
    assert len(courier.attempts) == 8
    assert under_way.count("/hook") == 4
    released.set()
    await asyncio.gather(*courier.attempts)
    await post.work()
    assert (len(post.letters), max(most)) == (15, 8)
