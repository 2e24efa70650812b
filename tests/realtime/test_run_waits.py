"""Whoever waits for a run's end is answered by it, and costs nothing meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rooms import messages, run_lookup
from rooms.drafts import Draft
from rooms.principals import Kind, Principal
from rooms.rows import Run
from server.followers import Follower, Followers
from tests.planning import noting_reads
from tests.realtime.raw import until
from tests.rest import API, Rest
from tests.running import Parley, Start, running_parley

NOT_FOUND = (404, "RESOURCE_NOT_FOUND")


@pytest.fixture
async def bot(parley: Parley, channel_id: str) -> Rest:
    """Give the client of an agent in the channel."""
    client = await parley.agent("bot")
    await parley.service.add(channel_id, "bot")
    return client


async def ask(client: Rest, channel_id: str) -> tuple[str, list[str]]:
    """Say something, and return the message's id and those of the runs that it opens."""
    message_id = (await client.submit(channel_id, "well?")).data["id"]
    found = (await client.get(f"{API}/messages/{message_id}/runs")).data["runs"]
    return message_id, [run["id"] for run in found]


async def complete(client: Rest, run_id: str) -> None:
    """Answer."""
    reply = await client.post(f"{API}/complete", {"run_id": run_id, "response": "well."})
    assert reply.status == 200


async def test_a_run_is_answered_as_soon_as_it_is_over(
    parley: Parley, ann: Rest, bot: Rest, channel_id: str, waits: list[Follower]
) -> None:
    """Whoever may see it may wait; other states, other runs and other messages answer nobody."""
    _, (run_id,) = await ask(ann, channel_id)
    clients = (ann, bot, parley.service)
    asked = [asyncio.create_task(client.get(f"{API}/runs/{run_id}", wait=55)) for client in clients]
    await until(lambda: len(set(waits)) == 3)
    _, (other,) = await ask(ann, channel_id)
    await complete(bot, other)
    await bot.post(f"{API}/runs/{run_id}/claim", {})
    assert not any(task.done() for task in asked)
    await complete(bot, run_id)
    for reply in await asyncio.gather(*asked):
        assert (reply.data["id"], reply.data["state"]) == (run_id, "completed")
    at_once = await ann.get(f"{API}/runs/{run_id}", wait=55)
    assert at_once.data == reply.data


async def test_a_message_is_answered_when_all_its_runs_are_over(
    parley: Parley, ann: Rest, bot: Rest, channel_id: str, waits: list[Follower]
) -> None:
    """However each of them ends; one that has opened none is answered at once."""
    alone = await parley.service.new_channel("alone", "ann")
    message_id, _ = await ask(ann, alone)
    assert (await ann.get(f"{API}/messages/{message_id}/runs", wait=55)).data == {"runs": []}
    other = await parley.agent("other")
    await parley.service.add(channel_id, "other")
    message_id, (first, second) = await ask(ann, channel_id)
    asked = asyncio.create_task(ann.get(f"{API}/messages/{message_id}/runs", wait=55))
    await until(lambda: bool(waits))
    await complete(bot, first)
    await other.post(f"{API}/runs/{second}/claim", {})
    assert not asked.done()
    await ann.post(f"{API}/runs/{second}/cancel", {})
    answered = (await asked).data["runs"]
    assert [(run["id"], run["state"]) for run in answered] == [(first, "completed"), (second, "cancelled")]


async def test_at_the_end_of_the_wait_it_is_answered_as_it_is(ann: Rest, bot: Rest, channel_id: str) -> None:
    """And at once without a wait."""
    _, (run_id,) = await ask(ann, channel_id)
    await bot.post(f"{API}/runs/{run_id}/claim", {})
    for query in ({}, {"wait": 0}, {"wait": 1}):
        assert (await ann.get(f"{API}/runs/{run_id}", **query)).data["state"] == "working"
    assert (await ann.get(f"{API}/runs/{run_id}", wait="soon")).refusal == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("look_up", [1, 2])
async def test_an_end_between_the_look_up_and_the_wait_is_not_missed(
    ann: Rest, bot: Rest, channel_id: str, monkeypatch: pytest.MonkeyPatch, look_up: int
) -> None:
    """Neither before the wait begins to listen nor after that."""
    _, (run_id,) = await ask(ann, channel_id)
    require: Callable[..., Awaitable[Run]] = run_lookup.require
    times = 0

    async def end_behind(ctx: Any, principal: Principal, run_id: str) -> Run:
        nonlocal times
        found = await require(ctx, principal, run_id)
        if principal.kind is Kind.USER:
            times += 1
            if times == look_up:
                await complete(bot, run_id)
        return found

    monkeypatch.setattr(run_lookup, "require", end_behind)
    reply = await asyncio.wait_for(ann.get(f"{API}/runs/{run_id}", wait=55), 10)
    assert reply.data["state"] == "completed"


async def test_who_waits_asks_the_database_nothing(
    parley: Parley,
    ann: Rest,
    bot: Rest,
    channel_id: str,
    waits: list[Follower],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not while nothing happens, and not for what is said in the channel."""
    ctx = parley.node.ctx
    _, (run_id,) = await ask(ann, channel_id)
    await bot.post(f"{API}/runs/{run_id}/claim", {})
    asked = [asyncio.create_task(ann.get(f"{API}/runs/{run_id}", wait=55)) for _ in range(20)]
    await until(lambda: len(set(waits)) == 20)
    principal = Principal("bot", Kind.AGENT)
    with noting_reads(parley) as reads:
        for number in range(3):
            waits.clear()
            await messages.submit(ctx, Draft(principal, channel_id, "bot", f"{number}"))
            await until(lambda: len(set(waits)) == 20)
    assert reads == []
    await complete(bot, run_id)
    assert {reply.data["state"] for reply in await asyncio.gather(*asked)} == {"completed"}


async def test_strangers_wait_for_nothing(
    parley: Parley, ann: Rest, bot: Rest, channel_id: str, waits: list[Follower]
) -> None:
    """They are told at once that there is no such run; whoever is removed meanwhile, at the end."""
    message_id, (run_id,) = await ask(ann, channel_id)
    stranger = await parley.user("stranger")
    for path in (f"{API}/runs/{run_id}", f"{API}/messages/{message_id}/runs"):
        assert (await stranger.get(path, wait=55)).refusal == NOT_FOUND
    assert not waits
    asked = asyncio.create_task(ann.get(f"{API}/runs/{run_id}", wait=1))
    await until(lambda: bool(waits))
    await parley.service.remove(channel_id, "ann")
    assert (await asked).refusal == NOT_FOUND


async def test_a_key_that_is_revoked_meanwhile_is_told_nothing(
    parley: Parley, ann: Rest, bot: Rest, channel_id: str, waits: list[Follower]
) -> None:
    """It is looked at again before the answer."""
    _, (run_id,) = await ask(ann, channel_id)
    asked = asyncio.create_task(ann.get(f"{API}/runs/{run_id}", wait=55))
    await until(lambda: bool(waits))
    await parley.revoke(ann)
    await complete(bot, run_id)
    assert (await asked).refusal == (401, "AUTHENTICATION_FAILED")


async def test_a_client_that_goes_is_forgotten(
    start: Start, present: list[Followers], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is kept of a wait whose client has left."""
    parley = await start()
    ann, _ = await parley.user("ann"), await parley.agent("bot")
    channel_id = await parley.service.new_channel("talk", "ann", "bot")
    _, (run_id,) = await ask(ann, channel_id)
    asked = asyncio.create_task(ann.get(f"{API}/runs/{run_id}", wait=55))
    await until(lambda: len(present[0]._present) == 1)
    asked.cancel()
    await until(lambda: not present[0]._present)
    fanout = present[0]._fanout
    assert (fanout._rooms, fanout._shown_all, dict(fanout._connections)) == ({}, {}, {})


async def test_a_stop_answers_whoever_waits(tmp_path: Path, waits: list[Follower]) -> None:
    """With the run as it is."""
    async with aiohttp.ClientSession() as session:
        async with running_parley(tmp_path / "data") as parley:
            ann, _ = await parley.user("ann"), await parley.agent("bot")
            channel_id = await parley.service.new_channel("talk", "ann", "bot")
            _, (run_id,) = await ask(ann, channel_id)
            client = Rest(session, ann.url, ann.headers)
            asked = asyncio.create_task(client.get(f"{API}/runs/{run_id}", wait=55))
            await until(lambda: bool(waits))
        assert (await asked).data["state"] == "queued"
