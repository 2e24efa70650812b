"""Muting over REST and sockets: the forms of a mute, and what is heard of it."""

from typing import Any

import pytest

from rooms.principals import Kind, Scope
from tests.rest import API, Reply, Rest
from tests.running import Parley
from tests.talking import talking


@pytest.fixture
async def channel_id(parley: Parley) -> str:
    """Give a channel of ann, who owns it, and the agent bot."""
    await parley.key(Kind.AGENT, "bot")
    channel_id = await parley.service.new_channel("talk", "bot")
    assert (await parley.service.add(channel_id, "ann", role="owner")).status == 201
    return channel_id


async def mute(client: Rest, channel_id: str, body: Any, agent: str = "bot") -> Reply:
    """Mute an agent."""
    return await client.request("PUT", f"{API}/channels/{channel_id}/agents/{agent}/mute", json=body)


async def test_a_mute_is_for_minutes_until_a_time_or_for_good(parley: Parley, channel_id: str) -> None:
    """Each form is answered with its end, and the channel's list has the last one."""
    ann = await parley.user("ann")
    for_good = (await mute(ann, channel_id, {})).data
    assert (for_good["reason"], for_good["until"], for_good["by"]) == ("", None, "ann")
    now = parley.node.ctx.now()
    for_long = (await mute(ann, channel_id, {"minutes": 5, "reason": "It repeats itself."})).data
    assert now + 300_000 <= for_long["until"] <= parley.node.ctx.now() + 300_000
    until = now + 60_000
    last = (await mute(ann, channel_id, {"until": until})).data
    assert (last["until"], last["reason"]) == (until, "")
    listed = (await ann.get(f"{API}/channels/{channel_id}/mutes")).data["mutes"]
    assert listed == [last]
    gone = await ann.delete(f"{API}/channels/{channel_id}/agents/bot/mute")
    assert gone.data == {"channel_id": channel_id, "agent_id": "bot"}
    assert (await ann.get(f"{API}/channels/{channel_id}/mutes")).data == {"mutes": []}


@pytest.mark.parametrize(
    "body",
    [
        {"minutes": 0},
        {"minutes": 1.5},
        {"minutes": "5"},
        {"minutes": 10**9},
        {"until": 1},
        {"until": 2**60},
        {"until": "2030-01-01T00:00:00Z"},
        {"minutes": 5, "until": 2**50},
        {"reason": 5},
        {"reason": "x" * 257},
        {"reason": "a\0b"},
        [],
    ],
)
async def test_a_mute_without_a_sound_end_is_refused(parley: Parley, channel_id: str, body: Any) -> None:
    """Nobody is muted by it."""
    assert (await mute(parley.service, channel_id, body)).refusal == (400, "VALIDATION_ERROR")
    assert (await parley.service.get(f"{API}/channels/{channel_id}/mutes")).data == {"mutes": []}


@pytest.mark.parametrize("agent", ["ann", "nobody", "no id", "11111111-2222-3333-4444-555555555555"])
async def test_only_an_agent_of_the_channel_can_be_muted(parley: Parley, channel_id: str, agent: str) -> None:
    """Everybody else is not found."""
    assert (await mute(parley.service, channel_id, {}, agent)).refusal == (404, "RESOURCE_NOT_FOUND")


async def test_services_mute_within_their_scopes(parley: Parley, channel_id: str) -> None:
    """To read every channel is not enough."""
    reader = await parley.restricted_service(Scope.MESSAGES_READ)
    assert (await mute(reader, channel_id, {})).refusal == (403, "PERMISSION_DENIED")
    manager = await parley.restricted_service(Scope.MESSAGES_READ, Scope.CHANNELS_WRITE)
    assert (await mute(manager, channel_id, {})).status == 200


async def test_sockets_mute_and_hear_of_it(parley: Parley, channel_id: str) -> None:
    """Everybody in the channel is told, the agent too; what waits for it is over behind that."""
    ann_key, bot_key = await parley.key(Kind.USER, "ann"), await parley.key(Kind.AGENT, "bot")
    async with talking(parley.url, {"token": ann_key}) as ann, talking(parley.url, {"token": bot_key}) as bot:
        await ann.data("submit", {"channel_id": channel_id, "content": "hello"})
        place = {"channel_id": channel_id, "agent_id": "bot"}
        assert await bot.code("mute_agent", place) == "PERMISSION_DENIED"
        told = await ann.data("mute_agent", {**place, "reason": "quiet, please", "minutes": 1})
        (heard,) = await bot.wait_for("agent_muted")
        assert {name: heard[name] for name in told} == told
        await bot.wait_for("complete")
        assert [name for name, _ in bot.heard][-3:] == ["agent_muted", "run", "complete"]
        await ann.data("submit", {"channel_id": channel_id, "content": "and?"})
        ends = await bot.wait_for("complete", 2)
        assert [(end["state"], end["reason"]) for end in ends] == [("ignored", "muted")] * 2
        assert await ann.data("unmute_agent", place) == place
        (lifted,) = await bot.wait_for("agent_unmuted")
        assert (lifted["agent_id"], lifted["by"]) == ("bot", "ann")
        assert await ann.code("mute_agent", {**place, "minutes": 0}) == "VALIDATION_ERROR"
