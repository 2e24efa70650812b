"""Mutes over real databases: who may mute whom, what becomes of runs, and what everybody is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from rooms import completion, mutes, participants
from rooms.access import Role
from rooms.completion import Sign
from rooms.database import Database
from rooms.errors import NotFound, PermissionDenied, ValidationFailed
from rooms.mutes import Muting
from rooms.participants import Joining
from rooms.principals import Principal
from tests.unit.agents_talking import A, B, C, Stage, staged
from tests.unit.journaling import SERVICE
from tests.unit.staging import ANN, BEN


@pytest.fixture
async def stage(database: Database) -> AsyncIterator[Stage]:
    """Give a channel with a user and two agents, on each kind of database."""
    async with staged(database) as stage:
        yield stage


def wish(stage: Stage, who: Principal = SERVICE, agent_id: str = A.id, **fields: Any) -> Muting:
    """Return the wish that an agent should be quiet in the channel."""
    return Muting(who, stage.world.channel_id, agent_id, **fields)


def told(stage: Stage) -> list[dict[str, Any]]:
    """Return what was told about mutes, each with its kind; without what is the same in all."""
    kinds = ("agent_muted", "agent_unmuted")
    events = [event for event in stage.world.heard.events if event.kind in kinds]
    names = ("agent_id", "reason", "until", "by")
    return [{"kind": event.kind} | {name: event.payload[name] for name in names} for event in events]


async def muted(stage: Stage) -> list[str]:
    """Return who is muted in the channel, as a member sees it."""
    return [mute.agent_id for mute in await mutes.list_of(stage.world.ctx, ANN, stage.world.channel_id)]


async def test_an_agent_is_muted_and_unmuted_and_everybody_is_told(stage: Stage) -> None:
    """Once for each change; the same again changes nothing."""
    later = int(stage.clock.now * 1000) + 60_000
    for _ in range(2):
        await mutes.mute(stage.world.ctx, wish(stage, reason="too loud"))
    for _ in range(2):
        await mutes.mute(stage.world.ctx, wish(stage, until=later))
    assert await muted(stage) == ["a"]
    for _ in range(2):
        await mutes.unmute(stage.world.ctx, wish(stage))
    assert await muted(stage) == []
    about = {"agent_id": "a", "by": "service"}
    assert told(stage) == [
        {"kind": "agent_muted", "reason": "too loud", "until": None, **about},
        {"kind": "agent_muted", "reason": "", "until": later, **about},
        {"kind": "agent_unmuted", "reason": "", "until": later, **about},
    ]


async def test_a_mute_ends_by_itself(stage: Stage) -> None:
    """After its time it is listed no more, and the agent is addressed again."""
    await mutes.mute(stage.world.ctx, wish(stage, until=int(stage.clock.now * 1000) + 60_000))
    assert [run.state for run in await stage.opened(await stage.say(ANN))] == ["ignored", "queued"]
    stage.clock.now += 61
    assert await muted(stage) == []
    assert [run.state for run in await stage.opened(await stage.say(ANN))] == ["queued", "queued"]
    await mutes.unmute(stage.world.ctx, wish(stage))
    assert [entry["kind"] for entry in told(stage)] == ["agent_muted"]


async def test_what_waits_for_a_muted_agent_is_over(stage: Stage) -> None:
    """But not what mentions it, what it has begun, or what waits for others."""
    said = [await stage.say(ANN, text) for text in ("one", "two", "@a, three")]
    taken, _ = await stage.opened(said[0])
    await completion.claim(stage.world.ctx, Sign(A, taken.id))
    await mutes.mute(stage.world.ctx, wish(stage))
    now = [[(run.state, run.reason) for run in await stage.opened(message)] for message in said]
    assert now == [
        [("working", None), ("queued", None)],
        [("ignored", "muted"), ("queued", None)],
        [("queued", None), ("queued", None)],
    ]


async def test_owners_moderators_and_services_mute(stage: Stage) -> None:
    """Members and the agents themselves may not, and who does not see the channel does not find it."""
    ctx, channel_id = stage.world.ctx, stage.world.channel_id
    for who in (ANN, A, B):
        for attempt in (mutes.mute(ctx, wish(stage, who)), mutes.unmute(ctx, wish(stage, who))):
            with pytest.raises(PermissionDenied):
                await attempt
    for attempt in (
        mutes.mute(ctx, wish(stage, BEN)),
        mutes.unmute(ctx, wish(stage, BEN)),
        mutes.list_of(ctx, BEN, channel_id),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert told(stage) == []
    await participants.add(ctx, Joining(SERVICE, channel_id, BEN.id, Role.MODERATOR))
    await mutes.mute(ctx, wish(stage, BEN))
    assert [(mute.agent_id, mute.muted_by) for mute in await mutes.list_of(ctx, B, channel_id)] == [
        ("a", "ben")
    ]


@pytest.mark.parametrize("agent_id", [ANN.id, C.id, "nobody"])
async def test_only_agents_of_the_channel_are_muted(stage: Stage, agent_id: str) -> None:
    """A person, an agent that is elsewhere, and nobody at all are not found there."""
    with pytest.raises(NotFound):
        await mutes.mute(stage.world.ctx, wish(stage, agent_id=agent_id))
    with pytest.raises(NotFound):
        await mutes.unmute(stage.world.ctx, wish(stage, agent_id=agent_id))
    assert await muted(stage) == []


async def test_the_past_is_no_end(stage: Stage) -> None:
    """A mute until a time that is over is refused."""
    with pytest.raises(ValidationFailed):
        await mutes.mute(stage.world.ctx, wish(stage, until=int(stage.clock.now * 1000)))
    assert told(stage) == []


async def test_leaving_does_not_end_a_mute(stage: Stage) -> None:
    """An agent that is added again is as quiet as it was, and may be unmuted while it is away."""
    ctx, channel_id = stage.world.ctx, stage.world.channel_id
    await mutes.mute(ctx, wish(stage))
    await participants.remove(ctx, A, channel_id, A.id)
    await participants.add(ctx, Joining(SERVICE, channel_id, A.id))
    assert "ignored" in [run.state for run in await stage.opened(await stage.say(ANN))]
    await participants.remove(ctx, A, channel_id, A.id)
    await mutes.unmute(ctx, wish(stage))
    assert await muted(stage) == []
