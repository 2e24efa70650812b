"""Reactions over real databases: counted in one commit as in several, and told once in the log."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Connection, select

from rooms import edits, participants, reactions, store
from rooms.database import Database
from rooms.edits import Edit, Target
from rooms.errors import ParleyError
from rooms.participants import Joining
from rooms.principals import Kind, Principal
from rooms.reactions import Given, Reaction
from rooms.rows import Message, Sign
from tests.unit.journaling import SERVICE, World, running

ANN, BEN = Principal("ann", Kind.USER), Principal("ben", Kind.USER)
THUMB, HEART = "👍", "❤️"


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    """Give a running journal over each kind of database, and two users in its channel."""
    async with running(database) as world:
        for who in (ANN, BEN):
            await participants.add(world.ctx, Joining(SERVICE, world.channel_id, who.id))
        # What is done later has a later time.
        world.journal.clock = itertools.count(1_700_000_000.0).__next__
        yield world


@pytest.fixture
async def message(world: World) -> Message:
    """Give a message of one of them."""
    said = (await world.submit("hello", principal=ANN, author_id=ANN.id)).message
    world.heard.events.clear()
    return said


def wish(message: Message, who: Principal, emoji: str = THUMB, *, is_wanted: bool = True) -> Reaction:
    """Return the wish of somebody to react to the message, or no longer."""
    return Reaction(Target(who, message.id), emoji, is_wanted)


async def logged(world: World) -> list[bytes]:
    """Return the payloads of the stored events that tell of reactions."""
    events = store.log.table
    statement = select(events.c.payload).where(events.c.kind == "reaction").order_by(events.c.seq)

    def read(connection: Connection) -> list[bytes]:
        return list(connection.execute(statement).scalars())

    return await world.database.inner.read(read)


async def test_reactions_of_one_commit_see_each_other(world: World, message: Message) -> None:
    """Whatever waits together is counted one by one; what changes nothing is not told."""
    outcomes = await world.in_one_commit(
        reactions.react(world.ctx, wish(message, ANN)),
        reactions.react(world.ctx, wish(message, ANN)),
        reactions.react(world.ctx, wish(message, BEN)),
        reactions.react(world.ctx, wish(message, ANN, HEART)),
        reactions.react(world.ctx, wish(message, ANN, is_wanted=False)),
    )
    assert outcomes[2] == [Sign(THUMB, 2, is_mine=True)]
    assert sorted(outcomes[4]) == sorted([Sign(THUMB, 1, is_mine=False), Sign(HEART, 1, is_mine=True)])
    told = [event.payload for event in world.heard.events if event.kind == "reaction"]
    assert [(event["userId"], event["count"]) for event in told] == [
        ("ann", 1),
        ("ben", 2),
        ("ann", 1),
        ("ann", 1),
    ]
    await world.stored()


async def test_each_reader_sees_its_own_signs(world: World, message: Message) -> None:
    """The same signs for everybody, and whose they are; messages without any are not told of."""
    other = (await world.submit("other")).message
    await reactions.react(world.ctx, wish(message, ANN))
    await reactions.react(world.ctx, wish(message, BEN))
    await reactions.react(world.ctx, wish(message, BEN, HEART))
    found = await reactions.count(world.ctx, ANN, [message, other])
    assert found == {message.id: [Sign(THUMB, 2, is_mine=True), Sign(HEART, 1, is_mine=False)]}
    assert await reactions.count(world.ctx, ANN, []) == {}
    assert await reactions.list_for(world.ctx, Target(BEN, message.id)) == [
        Given(Sign(THUMB, 2, is_mine=True), ["ann", "ben"]),
        Given(Sign(HEART, 1, is_mine=True), ["ben"]),
    ]


async def test_what_the_log_tells_of_reactions_stays(world: World, message: Message) -> None:
    """Neither an edit nor a deletion of the message rewrites it; nor does it count as an edit."""
    await reactions.react(world.ctx, wish(message, BEN))
    (before,) = await logged(world)
    await edits.edit(world.ctx, Edit(Target(ANN, message.id), "changed"))
    await edits.delete(world.ctx, Target(ANN, message.id))
    assert await logged(world) == [before]
    assert await world.stored() == ["first", ""]
    with pytest.raises(ParleyError):
        await reactions.react(world.ctx, wish(message, BEN))
