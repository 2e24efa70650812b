"""Agents of more channels than a connection enters when it comes: they hear whatever addresses them."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from rooms import arrivals
from rooms.principals import Kind
from tests.returning import Returner
from tests.running import Parley

Come = Callable[[], Any]


@pytest.fixture(autouse=True)
def _only_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let connections enter one channel, as they enter a thousand otherwise."""
    monkeypatch.setattr(arrivals, "MAX_LISTED", 1)


@pytest.fixture
async def old(parley: Parley) -> str:
    """Give a channel of the agent that is not its newest."""
    channel_id = await parley.service.new_channel("old", "ann", "bot")
    await parley.service.new_channel("new", "ann", "bot")
    return channel_id


@pytest.fixture
async def come(parley: Parley) -> AsyncIterator[Come]:
    """Give a function that connects the agent."""
    key = await parley.key(Kind.AGENT, "bot")
    clients: list[Returner] = []

    async def connect() -> Returner:
        clients.append(Returner(parley.url, {"token": key}))
        await clients[-1].connect()
        await clients[-1].hears("ready")
        return clients[-1]

    yield connect
    for client in clients:
        await client.close()


async def say(parley: Parley, channel_id: str, text: str, author_id: str = "ann") -> str:
    """Say something and return the message's id."""
    message_id: str = (await parley.service.submit(channel_id, text, author_id=author_id)).data["id"]
    return message_id


async def test_an_agent_hears_what_addresses_it_in_any_of_its_channels(
    parley: Parley, come: Come, old: str
) -> None:
    """The message, its run, and from then on everything in the channel; each once."""
    bot = await come()
    (ready,) = await bot.hears("ready")
    assert [channel["name"] for channel in ready["channels"]] == ["new"]
    await say(parley, old, "one")
    (run,) = await bot.hears("run")
    assert (run["channel_id"], run["run"]["state"]) == (old, "queued")
    message_id = await say(parley, old, "two")
    await parley.service.delete(f"/api/messaging/messages/{message_id}")
    await bot.hears("message_deleted")
    assert bot.texts() == ["one", "two"]


async def test_an_agent_that_comes_back_finds_what_addressed_it(parley: Parley, come: Come, old: str) -> None:
    """In whichever of its channels that was, also before it heard of the channel."""
    bot = await come()
    await bot.drop()
    await say(parley, old, "one")
    await bot.connect()
    await bot.hears("message")
    await say(parley, old, "two")
    await bot.hears("message", 2)
    assert (bot.texts(), bot.recovered) == (["one", "two"], True)


async def test_an_agent_that_has_left_a_channel_is_not_let_in(parley: Parley, come: Come, old: str) -> None:
    """Until it joins, or comes anew; also not when it comes back."""
    bot = await come()
    await bot.data("join", {"channel_id": old})
    await bot.data("leave", {"channel_id": old})
    await say(parley, old, "one")
    await bot.come_back()
    await say(parley, old, "two")
    await bot.data("join", {"channel_id": old})
    await say(parley, old, "three")
    await bot.hears("message")
    assert bot.texts() == ["three"]


async def test_people_enter_the_newest_channels_alone(parley: Parley, old: str) -> None:
    """Nobody waits for their answers."""
    ann = Returner(parley.url, {"token": await parley.key(Kind.USER, "ann")})
    await ann.connect()
    await say(parley, old, "one")
    await ann.data("heartbeat")
    assert ann.texts() == []
    await ann.close()
