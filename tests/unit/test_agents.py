"""The registry over real databases: who knows which agents, and who may say what of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rooms import (
    agents,
    channels,
    characters,
    dismissal,
    keys,
    memories,
    participants,
    server_agents,
    servers,
    worlds,
)
from rooms.agents import Change
from rooms.channels import ChannelDraft
from rooms.characters import CharacterDraft
from rooms.database import Database
from rooms.errors import Conflict, NotFound, PermissionDenied, ValidationFailed
from rooms.ids import new_id
from rooms.keys import KeyDraft
from rooms.memories import Inquiry
from rooms.participants import Joining
from rooms.principals import Kind, Principal, Scope
from rooms.rows import Profile
from rooms.rules import DEFAULT_SERVER_ID
from rooms.server_agents import Seating
from rooms.servers import ServerDraft
from rooms.worlds import Wish
from tests.unit.agents_talking import A, B, C, Stage, staged
from tests.unit.journaling import SERVICE
from tests.unit.staging import ANN, BEN

REGISTRAR = Principal("registrar", Kind.SERVICE, frozenset({Scope.AGENTS_WRITE}))
READER = Principal("reader", Kind.SERVICE, frozenset({Scope.MESSAGES_READ}))


@pytest.fixture
async def stage(database: Database) -> AsyncIterator[Stage]:
    """Give a channel with a user and two agents of three, on each kind of database."""
    async with staged(database) as stage:
        yield stage


async def change(stage: Stage, who: Principal = A, agent_id: str = A.id, **fields: Any) -> Profile:
    """Describe an agent otherwise."""
    return await agents.change(stage.world.ctx, Change(who, agent_id, **fields))


async def known(stage: Stage, who: Principal, server_id: str | None = None) -> list[str]:
    """Return the agents that somebody may know of."""
    return [profile.id for profile in await agents.list_known(stage.world.ctx, who, server_id)]


async def test_an_agent_says_what_it_is(stage: Stage) -> None:
    """What it names is changed, and the rest stays; the registry has it for everybody who knows the agent."""
    begun = await agents.require(stage.world.ctx, A, A.id)
    assert begun == Profile("a", "A", None, "", True, [], {}, begun.created_at, begun.created_at)
    first = await change(
        stage, name="Ada", handle="ada", has_handle=True, bio="Counts.", capabilities=["count", "add"]
    )
    second = await change(stage, settings={"model": "small"}, is_active=False)
    assert second == first._replace(
        settings={"model": "small"}, is_active=False, updated_at=second.updated_at
    )
    assert await agents.require(stage.world.ctx, A, A.id) == second
    third = await change(stage, handle=None, has_handle=True, capabilities=[], settings={}, is_active=True)
    assert third == Profile("a", "Ada", None, "Counts.", True, [], {}, begun.created_at, third.updated_at)


async def test_settings_are_for_the_agent_and_who_may_change_it(stage: Stage) -> None:
    """Everybody else sees the agent without them."""
    await change(stage, settings={"model": "small"})
    seen = {
        who.id: await agents.require(stage.world.ctx, who, A.id) for who in (A, ANN, B, READER, REGISTRAR)
    }
    assert {who for who, profile in seen.items() if profile.settings is not None} == {"a", "registrar"}
    (listed, _) = await agents.list_known(stage.world.ctx, ANN)
    assert (listed.id, listed.settings) == ("a", None)


async def test_agents_are_known_to_those_who_share_a_channel_with_them(stage: Stage) -> None:
    """Each agent knows itself; services that may read everything, or change agents, know all."""
    assert await known(stage, ANN) == ["a", "b"]
    assert await known(stage, BEN) == []
    assert await known(stage, C) == ["c"]
    assert await known(stage, READER) == await known(stage, REGISTRAR) == ["a", "b", "c"]
    with pytest.raises(NotFound):
        await agents.require(stage.world.ctx, ANN, C.id)
    with pytest.raises(NotFound):
        await agents.require(stage.world.ctx, SERVICE, ANN.id)
    await participants.remove(stage.world.ctx, SERVICE, stage.world.channel_id, A.id)
    assert await known(stage, ANN) == ["b"]


async def test_agents_of_joinable_channels_are_known_to_everybody(stage: Stage) -> None:
    """As who takes part in such a channel is."""
    draft = ChannelDraft(SERVICE, DEFAULT_SERVER_ID, "lobby", "text", joinable=True)
    lobby = await channels.create(stage.world.ctx, draft)
    await participants.add(stage.world.ctx, Joining(SERVICE, lobby.id, C.id))
    assert await known(stage, BEN) == ["c"]
    assert await known(stage, BEN, DEFAULT_SERVER_ID) == ["c"]


async def test_agents_are_listed_by_server(stage: Stage) -> None:
    """Those that take part in a channel of it, as far as one may know of them."""
    other = await servers.create(stage.world.ctx, SERVICE, ServerDraft("other"))
    channel = await channels.create(stage.world.ctx, ChannelDraft(SERVICE, other.id, "talk", "text"))
    for who in (B, C):
        await participants.add(stage.world.ctx, Joining(SERVICE, channel.id, who.id))
    assert await known(stage, READER, DEFAULT_SERVER_ID) == ["a", "b"]
    assert await known(stage, READER, other.id) == ["b", "c"]
    assert await known(stage, ANN, other.id) == []
    for missing in (new_id(), "x"):
        with pytest.raises(NotFound):
            await known(stage, READER, missing)


async def test_the_active_ones_come_first_and_then_by_name(stage: Stage) -> None:
    """Whatever case a name has."""
    await change(stage, name="zed")
    await change(stage, B, B.id, name="Yan")
    await change(stage, C, C.id, name="Abe", is_active=False)
    assert await known(stage, READER) == ["b", "a", "c"]


@pytest.mark.parametrize("who", [ANN, B, READER])
async def test_nobody_else_changes_an_agent(stage: Stage, who: Principal) -> None:
    """Whoever knows it is refused, and who does not does not find it."""
    with pytest.raises(PermissionDenied):
        await change(stage, who, bio="mine")
    with pytest.raises(NotFound):
        await change(stage, BEN, bio="mine", registers=True)
    assert (await agents.require(stage.world.ctx, A, A.id)).bio == ""


async def test_a_service_registers_an_agent(stage: Stage) -> None:
    """It is an agent from then on, before there is a key, and is addressed where it is added."""
    with pytest.raises(NotFound):
        await change(stage, REGISTRAR, "new", bio="fresh")
    made = await change(stage, REGISTRAR, "new", bio="fresh", registers=True)
    assert (made.id, made.name, made.bio, made.is_active) == ("new", "new", "fresh", True)
    again = await change(stage, REGISTRAR, "new", name="New", registers=True)
    assert again == made._replace(name="New")
    await participants.add(stage.world.ctx, Joining(SERVICE, stage.world.channel_id, "new"))
    opened = await stage.opened(await stage.say(ANN))
    assert [run.agent_id for run in opened] == ["a", "b", "new"]


async def test_a_person_cannot_be_registered_as_an_agent(stage: Stage) -> None:
    """Its id is taken."""
    for registers, refusal in ((True, Conflict), (False, NotFound)):
        with pytest.raises(refusal):
            await change(stage, REGISTRAR, ANN.id, bio="no", registers=registers)
    await keys.create(stage.world.ctx, KeyDraft(Kind.USER, BEN.id, "Ben"))
    with pytest.raises(NotFound):
        await change(stage, BEN, BEN.id, bio="no")


async def test_a_handle_that_is_taken_changes_nothing(stage: Stage) -> None:
    """The rest of the same wish is refused with it."""
    await change(stage, handle="ada", has_handle=True)
    with pytest.raises(ValidationFailed):
        await change(stage, B, B.id, handle="ADA", has_handle=True, bio="b")
    assert (await agents.require(stage.world.ctx, B, B.id)).bio == ""


async def test_an_agent_that_is_inactive_is_passed_over(stage: Stage) -> None:
    """Its runs are over at once, and it is addressed again when it is active."""
    await change(stage, is_active=False)
    assert [run.reason for run in await stage.opened(await stage.say(ANN))] == ["stopped", None]
    await change(stage, is_active=True)
    assert [run.reason for run in await stage.opened(await stage.say(ANN))] == [None, None]


async def test_changes_at_once_lose_nothing(stage: Stage) -> None:
    """Each names something else, and all of it is there in the end."""
    wishes: list[dict[str, Any]] = [
        {"bio": "b"}, {"capabilities": ["c"]}, {"settings": {"s": 1}}, {"name": "N"}, {"is_active": False}
    ]  # fmt: skip
    await asyncio.gather(*(change(stage, **wish) for wish in wishes))
    now = await agents.require(stage.world.ctx, A, A.id)
    assert (now.bio, now.capabilities, now.settings, now.name, now.is_active) == (
        "b", ["c"], {"s": 1}, "N", False
    )  # fmt: skip


async def test_a_character_is_kept_and_merged(stage: Stage) -> None:
    """What Parley does not understand comes back as it was said."""
    ctx = stage.world.ctx
    said = CharacterDraft(REGISTRAR, "dot", "Dot", "Counts.", {"a": {"b": 1, "c": 2}}, {"topics": ["x"]})
    made = await characters.create(ctx, said)
    assert (made.profile.name, made.profile.bio, made.fields) == ("Dot", "Counts.", {"topics": ["x"]})
    less = CharacterDraft(REGISTRAR, "dot", settings={"a": {"b": None, "d": 3}}, fields={"system": "y"})
    changed = await characters.change(ctx, less)
    assert changed.profile.settings == {"a": {"c": 2, "d": 3}}
    assert changed.fields == {"topics": ["x"], "system": "y"}
    assert await characters.require(ctx, REGISTRAR, "dot") == changed
    with pytest.raises(Conflict):
        await characters.create(ctx, said)


async def test_a_deleted_agent_is_in_no_list_and_no_channel(stage: Stage) -> None:
    """Until somebody registers it again."""
    ctx = stage.world.ctx
    before = await agents.count(ctx)
    await server_agents.add(ctx, Seating(SERVICE, DEFAULT_SERVER_ID, A.id))
    await dismissal.delete(ctx, A, A.id)
    assert await agents.count(ctx) == (before.total - 1, before.active - 1)
    present = await participants.list_for(ctx, SERVICE, stage.world.channel_id)
    assert A.id not in {attendance.entity_id for attendance in present}
    assert A.id not in await known(stage, READER)
    with pytest.raises(NotFound):
        await change(stage, REGISTRAR, bio="back")
    back = await agents.change(ctx, Change(REGISTRAR, A.id, registers=True))
    assert back.is_active
    assert await agents.count(ctx) == before
    assert A.id not in await known(stage, READER, DEFAULT_SERVER_ID)


async def test_the_liveliest_of_an_agents_rooms_comes_first(stage: Stage) -> None:
    """Of those that somebody else may see, too."""
    ctx = stage.world.ctx
    draft = ChannelDraft(SERVICE, DEFAULT_SERVER_ID, "later", "GROUP", participants=[A.id, BEN.id])
    later = await channels.create(ctx, draft)
    rooms = await memories.list_rooms(ctx, Inquiry(SERVICE, A.id))
    assert [room.id for room in rooms] == [later.id, stage.world.channel_id]
    assert [room.id for room in await memories.list_rooms(ctx, Inquiry(BEN, A.id))] == [later.id]


async def test_a_world_is_described_otherwise(stage: Stage) -> None:
    """What is not among the wish stays."""
    ctx = stage.world.ctx
    await worlds.change(ctx, Wish(SERVICE, DEFAULT_SERVER_ID, metadata={"a": {"b": 1, "c": 2}}))
    changed = await worlds.change(ctx, Wish(SERVICE, DEFAULT_SERVER_ID, "Acme", {"a": {"b": None}}))
    assert (changed.name, changed.details) == ("Acme", {"a": {"c": 2}})
    with pytest.raises(PermissionDenied):
        await worlds.change(ctx, Wish(ANN, DEFAULT_SERVER_ID, "Mine"))
