"""Read markers over real databases: where they stand, what is unread, and when anything is written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from rooms import channels, edits, participants, reading
from rooms.channels import ChannelDraft
from rooms.database import Database
from rooms.edits import Edit, Target
from rooms.errors import NotFound, PermissionDenied
from rooms.participants import Joining
from rooms.principals import Kind, Principal
from rooms.reading import Place
from rooms.rows import Message, Unread
from rooms.rules import DEFAULT_SERVER_ID
from tests.unit.journaling import SERVICE, World, running

ANN, BEN, EVE = (Principal(who, Kind.USER) for who in ("ann", "ben", "eve"))


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    """Give a running journal over each kind of database, and two users in its channel."""
    async with running(database) as world:
        for who in (ANN, BEN):
            await participants.add(world.ctx, Joining(SERVICE, world.channel_id, who.id))
        world.database.commits = 0
        yield world


async def say(world: World, content: str = "hello", who: Principal = ANN, **fields: Any) -> Message:
    """Store a message of a user's."""
    return (await world.submit(content, principal=who, author_id=who.id, **fields)).message


async def mark(world: World, seq: int, who: Principal = BEN) -> tuple[int, bool]:
    """Move somebody's marker; return where it stands, and whether that is new."""
    marked = await reading.mark(world.ctx, Place(who, world.channel_id, seq))
    return marked.unread.seq, marked.is_new


async def unread(world: World, who: Principal = BEN) -> tuple[int, int]:
    """Return how many messages are unread to somebody, and how often it is mentioned in them."""
    found = await reading.find(world.ctx, who, world.channel_id)
    return found.unread, found.mentions


async def test_what_others_say_is_unread(world: World) -> None:
    """From where one has joined on; what one says oneself is not, nor what is deleted."""
    assert await unread(world) == (0, 0)
    first, second = await say(world, "@ben"), await say(world, "@ben and @ann")
    await say(world, "@ben", BEN)
    assert (await unread(world), await unread(world, ANN)) == ((2, 2), (1, 0))
    await edits.edit(world.ctx, Edit(Target(ANN, first.id), "nobody"))
    assert await unread(world) == (2, 1)
    await edits.delete(world.ctx, Target(ANN, second.id))
    assert await unread(world) == (1, 0)


async def test_a_marker_never_goes_back(world: World) -> None:
    """The same place, or one before it, changes nothing and costs no commit."""
    first, second = await say(world, "@ben"), await say(world, "@ben")
    assert await mark(world, first.seq) == (first.seq, True)
    assert await unread(world) == (1, 1)
    commits = world.database.commits
    for seq in (first.seq, first.seq - 1, 0):
        assert await mark(world, seq) == (first.seq, False)
    assert world.database.commits == commits
    assert await mark(world, second.seq) == (second.seq, True)
    assert (await unread(world), await unread(world, ANN)) == ((0, 0), (0, 0))


async def test_a_marker_never_goes_beyond_the_end(world: World) -> None:
    """A place that is not there yet is the newest event; what comes after it is unread."""
    await say(world)
    last = await say(world)
    assert await mark(world, 2**70) == (last.seq, True)
    assert await mark(world, 2**70) == (last.seq, False)
    await say(world)
    assert await unread(world) == (1, 0)


async def test_whoever_comes_back_begins_there(world: World) -> None:
    """What was said while one took no part is not unread."""
    await mark(world, (await say(world)).seq)
    await participants.remove(world.ctx, SERVICE, world.channel_id, BEN.id)
    await say(world)
    await participants.add(world.ctx, Joining(SERVICE, world.channel_id, BEN.id))
    assert await unread(world) == (0, 0)
    await say(world)
    assert await unread(world) == (1, 0)


async def test_counts_end_somewhere(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than so many are not told apart."""
    monkeypatch.setattr(reading, "MAX_COUNTED", 3)
    for _ in range(5):
        await say(world, "@ben")
    assert await unread(world) == (3, 3)


async def test_a_message_is_a_place(world: World) -> None:
    """By its id, in its own channel only; a deleted one still stands where it stood."""
    message = await say(world)
    await edits.delete(world.ctx, Target(ANN, message.id))
    elsewhere = "11111111-2222-3333-4444-555555555555"
    for place in (
        Place(BEN, elsewhere, message_id=message.id),
        Place(BEN, message_id=message.id, server_id=elsewhere),
        Place(BEN, world.channel_id, 1, server_id=elsewhere),
        Place(BEN, message_id=elsewhere),
        Place(BEN, elsewhere, 1),
        Place(EVE, message_id=message.id),
        Place(EVE, world.channel_id, 1),
    ):
        with pytest.raises(NotFound):
            await reading.mark(world.ctx, place)
    marked = await reading.mark(world.ctx, Place(BEN, message_id=message.id, server_id=DEFAULT_SERVER_ID))
    assert marked.unread == Unread(world.channel_id, message.seq, 0, 0)


async def test_only_who_takes_part_has_a_marker(world: World) -> None:
    """Neither a service, which reads everything, nor a visitor of a joinable channel."""
    public = await channels.create(
        world.ctx, ChannelDraft(ANN, DEFAULT_SERVER_ID, "open", "text", joinable=True)
    )
    for who in (SERVICE, EVE):
        with pytest.raises(PermissionDenied):
            await reading.mark(world.ctx, Place(who, public.id, 1))
        with pytest.raises(PermissionDenied):
            await reading.find(world.ctx, who, public.id)


async def test_all_channels_of_a_server_are_told_at_once(world: World) -> None:
    """Those that one takes part in, the newest first; another server's are not among them."""
    draft = ChannelDraft(ANN, DEFAULT_SERVER_ID, "second", "text", participants=(BEN.id,))
    second = await channels.create(world.ctx, draft)
    await channels.create(world.ctx, ChannelDraft(ANN, DEFAULT_SERVER_ID, "third", "text"))
    message = await say(world)
    await mark(world, message.seq)
    for content in ("hello", "@ben"):
        last = await say(world, content, channel_id=second.id)
    joined = (await reading.find(world.ctx, BEN, second.id)).seq
    assert await reading.list_for(world.ctx, BEN, DEFAULT_SERVER_ID) == [
        Unread(second.id, joined, 2, 1),
        Unread(world.channel_id, message.seq, 0, 0),
    ]
    assert joined < last.seq
    for server_id in ("11111111-2222-3333-4444-555555555555", "x", ""):
        with pytest.raises(NotFound):
            await reading.list_for(world.ctx, BEN, server_id)
