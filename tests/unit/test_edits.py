"""Edits and deletions over real databases: what the log tells of a message afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from sqlalchemy import Connection, select

from rooms import edits, history, messages, participants, store
from rooms.database import Database
from rooms.edits import Edit, Target
from rooms.errors import NotFound, ParleyError, ValidationFailed
from rooms.participants import Joining
from rooms.principals import Kind, Principal
from rooms.rows import Interval, Message, Window
from rooms.rules import DEFAULT_SERVER_ID, MAX_EDITS
from tests.unit.journaling import SERVICE, World, running

ANN = Principal("ann", Kind.USER)
SECRET = "a word that nobody may find"


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    """Give a running journal over each kind of database, and a user in its channel."""
    async with running(database) as world:
        await participants.add(world.ctx, Joining(SERVICE, world.channel_id, ANN.id))
        world.heard.events.clear()
        yield world


async def say(world: World, content: str = "hello", **fields: Any) -> Message:
    """Store a message of the user's."""
    return (await world.submit(content, principal=ANN, author_id=ANN.id, **fields)).message


async def edit(world: World, message: Message, content: str, who: Principal = ANN) -> Message:
    """Edit a message."""
    return await edits.edit(world.ctx, Edit(Target(who, message.id), content))


async def delete(world: World, message: Message, who: Principal = ANN) -> Message:
    """Delete a message."""
    return await edits.delete(world.ctx, Target(who, message.id))


async def told(world: World, message: Message) -> list[tuple[str, dict[str, Any]]]:
    """Return kind and payload of the stored events of a message; each payload has its event's seq."""

    def read(connection: Connection) -> list[tuple[str, dict[str, Any]]]:
        events = store.log.table
        rows = connection.execute(
            select(events.c.seq, events.c.kind, events.c.payload)
            .where(events.c.message_id == message.id)
            .order_by(events.c.seq)
        )
        found = [(row.seq, row.kind, orjson.loads(row.payload)) for row in rows]
        assert [payload["seq"] for _, _, payload in found] == [seq for seq, _, _ in found]
        return [(kind, payload) for _, kind, payload in found]

    return await world.database.inner.read(read)


async def message_count(world: World) -> int:
    """Return how many messages the channel says it has."""
    found = await world.database.inner.read(
        lambda connection: store.channels.find(connection, [world.channel_id])
    )
    return found[world.channel_id].message_count


async def test_an_edit_is_announced_and_told_in_every_place(world: World) -> None:
    """The original event and earlier edits say the newest text, under their own seqs."""
    message = await say(world, key="mine", metadata={"mood": "good"}, raw_message={"n": 1})
    (first, second) = [await edit(world, message, content) for content in ("once", "twice")]
    assert (first.content, second.content) == ("once", "twice")
    assert (second.id, second.seq, second.created_at) == (message.id, message.seq, message.created_at)
    stored = await told(world, message)
    assert [kind for kind, _ in stored] == ["message", "message_updated", "message_updated"]
    for _, payload in stored:
        assert (payload["id"], payload["text"]) == (message.id, "twice")
        assert payload["updated_at"] == second.updated_at
        assert (payload["metadata"], payload["raw_message"]) == ({"mood": "good"}, {"n": 1})
    assert stored[0][1]["messageId"] == "mine"
    assert [event.payload["text"] for event in world.heard.events] == ["hello", "once", "twice"]
    assert world.heard.events[-1].encoded == orjson.dumps(stored[-1][1])
    assert await world.stored() == ["first", "twice"]
    assert await message_count(world) == 2


async def test_the_same_text_again_changes_nothing(world: World) -> None:
    """An edit that was sent twice is announced once."""
    message = await say(world)
    once = await edit(world, message, "changed")
    assert await edit(world, message, "changed") == once
    assert [event.kind for event in world.heard.events] == ["message", "message_updated"]


async def test_a_deletion_leaves_no_trace_of_what_was_said(world: World) -> None:
    """No column of any table holds the content, its attachments or its metadata; the log stays whole."""
    message = await say(
        world,
        SECRET,
        key="mine",
        raw_message={"text": SECRET},
        metadata={"thought": SECRET},
        attachments=[{"url": "https://example.com/a", "contentType": "image", "name": SECRET}],
    )
    await edit(world, message, f"{SECRET}, edited")
    await edit(world, message, f"{SECRET}, edited again")
    assert set(await world.holders(SECRET)) == {"messages", "events"}
    left = await delete(world, message)
    assert await world.holders(SECRET) == []
    assert left.deleted_at is not None
    tombstone = {"id": message.id, "channel_id": world.channel_id, "deleted": True}
    stored = await told(world, message)
    for seq, (_, payload) in enumerate(stored[:-1], message.seq):
        assert payload == {"seq": seq, **tombstone}
    assert stored[-1] == (
        "message_deleted",
        {"seq": message.seq + 3, **tombstone, "server_id": DEFAULT_SERVER_ID},
    )
    assert world.heard.events[-1].payload == stored[-1][1]
    assert await world.stored() == ["first", ""]
    assert await message_count(world) == 1


async def test_a_deletion_is_announced_once(world: World) -> None:
    """The second time answers the same, records nothing and counts nothing."""
    message = await say(world)
    left = await delete(world, message)
    assert await delete(world, message) == left
    assert [event.kind for event in world.heard.events] == ["message", "message_deleted"]
    assert await message_count(world) == 1


async def test_changes_of_one_commit_see_each_other(world: World) -> None:
    """Edits and a deletion that wait together leave, and announce, nothing of what was said."""
    message = await say(world, SECRET)
    world.heard.events.clear()
    outcomes = await world.in_one_commit(
        edit(world, message, f"{SECRET} once"),
        edit(world, message, f"{SECRET} twice"),
        delete(world, message),
        edit(world, message, f"{SECRET} too late"),
        delete(world, message),
    )
    assert [outcome.content for outcome in outcomes[:3]] == [f"{SECRET} once", f"{SECRET} twice", ""]
    assert isinstance(outcomes[3], NotFound)
    assert outcomes[4] == outcomes[2]
    kinds = ["message_updated", "message_updated", "message_deleted"]
    assert [event.kind for event in world.heard.events if event.message_id == message.id] == kinds
    assert all(SECRET.encode() not in event.encoded for event in world.heard.events)
    assert await world.holders(SECRET) == []
    assert [payload.get("deleted") for _, payload in await told(world, message)] == [True] * 4


async def test_edits_of_one_commit_are_announced_with_the_newest_text(world: World) -> None:
    """Two at once are two events, and both say what the message says now."""
    message = await say(world)
    world.heard.events.clear()
    await world.in_one_commit(edit(world, message, "once"), edit(world, message, "twice"))
    heard = [event for event in world.heard.events if event.message_id == message.id]
    assert [event.payload["text"] for event in heard] == ["twice", "twice"]
    stored = [payload for _, payload in await told(world, message)]
    assert stored[1:] == [event.payload for event in heard]


async def test_what_is_refused_leaves_what_waits_beside_it(world: World) -> None:
    """An edit that fails in a commit undoes nothing that others did to the message there."""
    message = await say(world)
    for number in range(MAX_EDITS - 1):
        await edit(world, message, f"edit {number}")
    last, refused = await world.in_one_commit(
        edit(world, message, "the last one"), edit(world, message, "one too many")
    )
    assert last.content == "the last one"
    assert isinstance(refused, ValidationFailed)
    assert {payload["text"] for _, payload in await told(world, message)} == {"the last one"}
    assert world.heard.events[-1].payload["text"] == "the last one"
    assert (await delete(world, message)).deleted_at is not None


async def test_a_reply_to_a_deleted_message_is_refused(world: World) -> None:
    """Its parent is as unknown as one that never was."""
    message = await say(world)
    await delete(world, message)
    nobody = "11111111-2222-3333-4444-555555555555"
    errors = []
    for parent_id in (message.id, nobody):
        with pytest.raises(ValidationFailed) as refused:
            await say(world, "a reply", parent_id=parent_id)
        errors.append(refused.value.details.replace(parent_id, nobody))
    assert errors[0] == errors[1]


async def test_a_deleted_message_is_in_no_page(world: World) -> None:
    """History neither shows nor counts it, whatever part of the channel somebody may see."""
    kept, message, later = await say(world, "kept"), await say(world), await say(world, "later")
    await delete(world, message)
    for window in (Window(50), Window(2, offset=1)):
        page = await history.of_channel(world.ctx, SERVICE, world.channel_id, window)
        assert [found.id for found in page.messages][-2:] == [kept.id, later.id]
        assert page.total == 3

    def count(connection: Connection) -> int:
        return store.messages.count(connection, world.channel_id, [Interval(kept.seq, None)])

    assert await world.database.inner.read(count) == 2


@pytest.mark.parametrize("message_id", ["", "x", "\0", "ü", "11111111-2222-3333-4444-555555555555"])
async def test_what_is_no_message_is_not_found(world: World, message_id: str) -> None:
    """No text that stands for an id fails either kind of database."""
    target = Target(ANN, message_id)
    for wish in (edits.require(world.ctx, target), edits.delete(world.ctx, target)):
        with pytest.raises(NotFound):
            await wish
    with pytest.raises(NotFound):
        await edits.edit(world.ctx, Edit(target, "x" * 4_001))


async def test_a_repeated_submit_does_not_bring_back_what_was_deleted(world: World) -> None:
    """The key answers the message that it stored, as it is now."""
    fields = {"key": "mine", "raw_message": {"text": SECRET}}
    message = await say(world, SECRET, **fields)
    left = await delete(world, message)
    assert await say(world, SECRET, **fields) == left
    assert await world.holders(SECRET) == []


async def test_an_id_stays_taken(world: World) -> None:
    """A message does not come back under the id of one that was deleted, for anybody."""
    message_id = "aaaaaaaa-0000-0000-0000-000000000001"
    message = await say(world, id=message_id, key=message_id)
    await delete(world, message)
    outcome = await messages.submit_many(world.ctx, [world.draft("mine now", id=message_id, key=message_id)])
    assert isinstance(outcome[0], ParleyError)
    assert outcome[0].code == "CONFLICT"
