"""The runs of a whole database as its operator sees them, on each kind of database."""

from __future__ import annotations

from typing import Any

import pytest

from rooms import channels, messages, overview, participants, store
from rooms.channels import ChannelDraft
from rooms.drafts import Draft
from rooms.overview import Filter, Seen
from rooms.participants import Joining
from rooms.rules import DEFAULT_SERVER_ID
from rooms.runs import State
from server.runs import COLOURS
from tests.unit.journaling import SERVICE
from tests.unit.staging import ANN, BOT, Stage


async def newest(stage: Stage, **wish: Any) -> list[Seen]:
    """Return the newest runs."""
    return await stage.world.database.read(
        lambda connection: overview.list_newest(connection, Filter(**wish))
    )


async def changes(stage: Stage, after: overview.Positions, **wish: Any) -> list[Seen]:
    """Return what has changed since a time."""

    def read(connection: Any) -> list[Seen]:
        until = overview.find_positions(connection)
        return overview.list_changes(connection, Filter(**wish), after, until)

    return await stage.world.database.read(read)


async def elsewhere(stage: Stage) -> str:
    """Let ann ask the agent something in another channel, and return the channel's id."""
    ctx = stage.world.ctx
    channel = await channels.create(ctx, ChannelDraft(SERVICE, DEFAULT_SERVER_ID, "elsewhere", "text"))
    for who in (ANN, BOT):
        await participants.add(ctx, Joining(SERVICE, channel.id, who.id))
    await messages.submit(ctx, Draft(ANN, channel.id, ANN.id, "hello"))
    return channel.id


async def test_the_newest_runs_are_listed_with_the_names_of_their_channels(stage: Stage) -> None:
    """All of them, or those of an agent, a channel, or a state."""
    first = await stage.opened("one")
    await stage.complete(first, "well")
    other = await elsewhere(stage)
    found = await newest(stage)
    assert [(run["state"], channel) for run, channel in found] == [
        ("queued", "elsewhere"),
        ("completed", "talk"),
    ]
    assert await newest(stage, limit=1) == await newest(stage, channel_ids=[other]) == found[:1]
    assert await newest(stage, states=[State.COMPLETED]) == found[1:]
    assert await newest(stage, agent_id=BOT.id) == found
    assert await newest(stage, agent_id="nobody") == []


async def test_changes_are_listed_one_by_one(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every state that a run comes to, in order, also of more than one page of the log."""
    monkeypatch.setattr(overview, "PAGE_ENTRIES", 2)
    start = await stage.world.database.read(overview.find_positions)
    run = await stage.opened()
    await stage.claim(run)
    await stage.complete(run, "well")
    other = await elsewhere(stage)
    told = [(seen.run["state"], seen.channel) for seen in await changes(stage, start)]
    assert told == [
        ("queued", "talk"),
        ("working", "talk"),
        ("completed", "talk"),
        ("queued", "elsewhere"),
    ]
    assert [seen.run["state"] for seen in await changes(stage, start, channel_ids=[other])] == ["queued"]
    assert [seen.run["state"] for seen in await changes(stage, start, states=[State.WORKING])] == ["working"]
    assert await changes(stage, start, agent_id="nobody") == []
    now = await stage.world.database.read(overview.find_positions)
    assert await changes(stage, now) == []


async def test_a_channel_is_found_by_its_name_or_its_id(stage: Stage) -> None:
    """And by nothing else."""

    async def named(text: str) -> list[str]:
        return await stage.world.database.read(lambda connection: store.channels.list_named(connection, text))

    assert await named("talk") == await named(stage.world.channel_id) == [stage.world.channel_id]
    assert await named("Talk and more") == []


def test_every_state_has_a_colour() -> None:
    """So that no run is shown in none."""
    assert set(COLOURS) == set(State)
