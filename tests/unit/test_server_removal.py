"""Message servers that are deleted, and channels that follow another platform, over real databases."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import Connection

from rooms import channels, checks, messages, participants, server_agents, server_removal, servers, syncing
from rooms.channels import ChannelDraft
from rooms.errors import Conflict, NotFound, PermissionDenied, ValidationFailed
from rooms.participants import Joining
from rooms.principals import Kind, Principal, Scope
from rooms.rules import DEFAULT_SERVER_ID
from rooms.server_agents import Seating
from rooms.servers import ServerDraft
from rooms.syncing import Sourced, Synced
from rooms.tables import Channel
from tests.unit.journaling import SERVICE
from tests.unit.staging import ANN, BOT, Stage

SECRET = "a word that nobody may find"


@pytest.fixture
async def server_id(stage: Stage) -> str:
    """Give a message server beside the default one."""
    return (await servers.create(stage.world.ctx, SERVICE, ServerDraft(SECRET, source_type="crm"))).id


async def furnish(stage: Stage, server_id: str, count: int = 3) -> list[str]:
    """Create channels in which something was said, and return their ids."""
    found = []
    for number in range(count):
        draft = ChannelDraft(ANN, server_id, f"{SECRET} {number}", "text")
        found.append((await channels.create(stage.world.ctx, draft)).id)
        await participants.add(stage.world.ctx, Joining(ANN, found[-1], BOT.id))
        said = stage.world.draft(SECRET, channel_id=found[-1], principal=ANN, author_id=ANN.id)
        await messages.submit(stage.world.ctx, said)
    return found


async def test_a_deleted_server_leaves_nothing(
    stage: Stage, server_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its channels are told of as deleted, its log is forgotten step by step, another server stays."""
    monkeypatch.setattr(server_removal, "PAGE", 2)
    monkeypatch.setattr(server_removal, "STEP", 5)
    ctx = stage.world.ctx
    there = await furnish(stage, server_id)
    await server_agents.add(ctx, Seating(SERVICE, server_id, BOT.id))
    await stage.say("stays")
    await server_removal.delete(ctx, SERVICE, server_id)
    told = [event.channel_id for event in stage.world.heard.events if event.kind == "channel_deleted"]
    assert sorted(told) == sorted(there)
    assert await stage.world.holders(SECRET) == []
    findings = await stage.world.database.inner.read(checks.examine)
    assert [finding.faults for finding in findings] == [[], []]
    assert [finding.log.held for finding in findings if finding.log.server_id == server_id] == [0]
    await stage.say("goes on")
    assert [server.id for server in await servers.list_for(ctx, SERVICE)] == [DEFAULT_SERVER_ID]


async def test_a_deleted_server_is_one_that_does_not_exist(stage: Stage, server_id: str) -> None:
    """Nothing can be done in it; its id stays taken."""
    ctx = stage.world.ctx
    await server_removal.delete(ctx, SERVICE, server_id)
    wishes = [
        channels.create(ctx, ChannelDraft(ANN, server_id, "talk", "text")),
        channels.list_visible(ctx, SERVICE, server_id),
        channels.list_visible(ctx, ANN, server_id),
        server_agents.list_of(ctx, SERVICE, server_id),
        server_agents.add(ctx, Seating(SERVICE, server_id, BOT.id)),
        server_removal.delete(ctx, SERVICE, server_id),
        syncing.sync(ctx, SERVICE, server_id, []),
    ]
    for wish in wishes:
        with pytest.raises(NotFound):
            await wish
    with pytest.raises(Conflict):
        await servers.create(ctx, SERVICE, ServerDraft("again", id=server_id))


async def test_channels_that_come_meanwhile_are_deleted_too(stage: Stage, server_id: str) -> None:
    """Whoever creates one while the server is deleted is refused, or loses it."""
    ctx = stage.world.ctx
    await furnish(stage, server_id)
    outcomes = await asyncio.gather(
        server_removal.delete(ctx, SERVICE, server_id),
        *(channels.create(ctx, ChannelDraft(ANN, server_id, f"{n}", "text")) for n in range(20)),
        return_exceptions=True,
    )
    assert outcomes[0] is None
    assert all(isinstance(outcome, NotFound) or outcome.id for outcome in outcomes[1:])

    def read(connection: Connection) -> list[Any]:
        table = Channel.__table__  # type: ignore[attr-defined]
        return list(connection.execute(table.select().where(table.c.server_id == server_id)))

    left = await stage.world.database.inner.read(read)
    assert all(channel.deleted_at is not None for channel in left)


async def test_who_may_delete_a_server(stage: Stage, server_id: str) -> None:
    """Services with all three scopes, and nobody the default one."""
    ctx = stage.world.ctx
    for scopes in ([Scope.SERVERS_WRITE], [Scope.CHANNELS_WRITE, Scope.MESSAGES_READ], []):
        limited = Principal("limited", Kind.SERVICE, frozenset(scopes))
        with pytest.raises(PermissionDenied):
            await server_removal.delete(ctx, limited, server_id)
    with pytest.raises(PermissionDenied):
        await server_removal.delete(ctx, ANN, server_id)
    with pytest.raises(ValidationFailed):
        await server_removal.delete(ctx, SERVICE, DEFAULT_SERVER_ID)
    for unknown in ("x", "11111111-2222-3333-4444-555555555555"):
        with pytest.raises(NotFound):
            await server_removal.delete(ctx, SERVICE, unknown)
    assert len(await servers.list_for(ctx, SERVICE)) == 2


async def test_channels_of_another_platform_are_created_and_renamed(
    stage: Stage, server_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is known by its id there; what is as it is there already is left alone, and so are others."""
    monkeypatch.setattr(syncing, "STEP", 2)
    ctx = stage.world.ctx
    await furnish(stage, server_id, 1)
    wanted = [Sourced(f"{number}", f"# room {number}", "GROUP") for number in range(5)]
    assert await syncing.sync(ctx, SERVICE, server_id, wanted) == Synced(5, 5, 0)
    assert await syncing.sync(ctx, SERVICE, server_id, wanted) == Synced(5, 0, 0)
    found = await channels.list_visible(ctx, SERVICE, server_id)
    ids = {channel.source_id: channel.id for channel in found}
    renamed = [wanted[0]._replace(name="tea"), Sourced("5", "new", "FEED"), wanted[3]]
    assert await syncing.sync(ctx, SERVICE, server_id, renamed) == Synced(3, 1, 1)
    now = {channel.source_id: channel for channel in await channels.list_visible(ctx, SERVICE, server_id)}
    assert {source_id: now[source_id].id for source_id in ids} == ids
    assert (now["0"].name, now["5"].type, now["5"].source_type) == ("tea", "FEED", "crm")
    assert len(now) == 7


async def test_concurrent_syncs_make_each_channel_once(stage: Stage, server_id: str) -> None:
    """Ten at once, of the same channels, and of another server's, too."""
    ctx = stage.world.ctx
    wanted = [Sourced(f"{number}", f"room {number}", "GROUP") for number in range(5)]
    done = await asyncio.gather(
        *(syncing.sync(ctx, SERVICE, server_id, wanted) for _ in range(10)),
        syncing.sync(ctx, SERVICE, DEFAULT_SERVER_ID, wanted),
    )
    assert sum(one.created for one in done) == 10
    assert len(await channels.list_visible(ctx, SERVICE, server_id)) == 5


async def test_what_cannot_be_synced_changes_nothing(stage: Stage, server_id: str) -> None:
    """An id that is named twice, or a principal without the scope, is refused."""
    ctx = stage.world.ctx
    twice = [Sourced("1", "one", "GROUP"), Sourced("1", "two", "GROUP")]
    with pytest.raises(ValidationFailed):
        await syncing.sync(ctx, SERVICE, server_id, twice)
    for who in (ANN, Principal("limited", Kind.SERVICE, frozenset({Scope.SERVERS_WRITE}))):
        with pytest.raises(PermissionDenied):
            await syncing.sync(ctx, who, server_id, twice[:1])
    assert await channels.list_visible(ctx, SERVICE, server_id) == []
