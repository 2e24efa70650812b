"""Clearing and deleting channels, over real databases: nothing of them is left, and everybody is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import Connection

from rooms import (
    approvals,
    channels,
    checks,
    clearing,
    edits,
    history,
    importing,
    messages,
    mutes,
    opening,
    participants,
    reactions,
    run_lookup,
    sessions,
    store,
)
from rooms.access import Role
from rooms.approvals import Request
from rooms.channels import ChannelDraft
from rooms.edits import Target
from rooms.errors import Conflict, NotFound, ParleyError, PermissionDenied, SessionNotFound
from rooms.foreign import Fate
from rooms.mutes import Muting
from rooms.participants import Joining
from rooms.principals import Kind, Principal
from rooms.rows import Message, Window
from rooms.rules import DEFAULT_SERVER_ID
from rooms.sessions import SessionDraft
from rooms.tables import Channel
from tests.unit.journaling import SERVICE
from tests.unit.staging import ANN, BEN, BOT, Stage

SECRET = "a word that nobody may find"
NOWHERE = "11111111-2222-3333-4444-555555555555"
MODERATOR = Principal("moderator", Kind.USER)


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clear three messages in each commit."""
    monkeypatch.setattr(clearing, "STEP", 3)


async def clear(stage: Stage, who: Principal = SERVICE, channel_id: str | None = None) -> None:
    """Clear a channel, the stage's unless told."""
    await clearing.clear(stage.world.ctx, who, channel_id or stage.world.channel_id)


async def delete(stage: Stage, who: Principal = SERVICE, channel_id: str | None = None) -> None:
    """Delete a channel, the stage's unless told."""
    await clearing.delete(stage.world.ctx, who, channel_id or stage.world.channel_id)


def told(stage: Stage, kind: str) -> list[dict[str, Any]]:
    """Return the payloads of the events of a kind, without their seq and what never differs."""
    own = {"channel_id": stage.world.channel_id, "server_id": DEFAULT_SERVER_ID}
    found = [event.payload for event in stage.world.heard.events if event.kind == kind]
    assert all(payload.items() >= own.items() for payload in found)
    return [{name: payload[name] for name in payload.keys() - own.keys() - {"seq"}} for payload in found]


async def channel(stage: Stage) -> Channel:
    """Return the channel's row, also of one that was deleted."""

    def read(connection: Connection) -> Channel:
        table = store.channels.table
        row: Any = connection.execute(table.select().where(table.c.id == stage.world.channel_id)).one()
        return row  # type: ignore[no-any-return]

    return await stage.world.database.inner.read(read)


async def faults(stage: Stage) -> list[str]:
    """Return what `parley check` would say."""
    findings = await stage.world.database.inner.read(checks.examine)
    return [fault for finding in findings for fault in finding.faults]


async def page(stage: Stage, who: Principal = ANN) -> list[str]:
    """Return what the history of the channel says."""
    found = await history.of_channel(stage.world.ctx, who, stage.world.channel_id, Window(50))
    assert found.total == len(found.messages)
    return [message.content for message in found.messages]


async def say_everything(stage: Stage) -> Message:
    """Say the word in every way there is, and return the message."""
    ctx, channel_id = stage.world.ctx, stage.world.channel_id
    message = await stage.say(
        SECRET,
        raw_message={"text": SECRET},
        metadata={"thought": SECRET},
        attachments=[{"url": "https://example.com/a", "contentType": "image", "name": SECRET}],
    )
    await edits.edit(ctx, edits.Edit(Target(ANN, message.id), f"{SECRET} @ben"))
    await reactions.react(ctx, reactions.Reaction(Target(BEN, message.id), "👍"))
    await stage.say("an answer", BEN, parent_id=message.id)
    question = stage.world.draft(
        SECRET, principal=BOT, author_id=BOT.id, approval=Request([SECRET, "no"], lasts_ms=60_000)
    )
    await messages.submit(ctx, question)
    await mutes.mute(ctx, Muting(SERVICE, channel_id, BOT.id, SECRET))
    return message


async def test_nothing_is_left_of_what_was_said(stage: Stage) -> None:
    """A cleared channel holds no word of it in any table; its members, its name and its mutes stay."""
    message = await say_everything(stage)
    assert {"messages", "events", "approvals"} <= set(await stage.world.holders(SECRET))
    await clear(stage)
    assert set(await stage.world.holders(SECRET)) == {"events", "mutes"}  # of the mute alone
    assert await page(stage) == []
    assert (await channel(stage)).message_count == 0
    assert await faults(stage) == []
    left = (await stage.world.database.inner.read(lambda c: store.messages.find(c, [message.id])))[message.id]
    assert (left.content, left.reply_count, left.attachments) == ("", 0, [])
    assert left.deleted_at is not None
    assert (
        await stage.world.database.inner.read(lambda c: store.reactions.count_signs(c, [message.id], ANN.id))
        == {}
    )
    await stage.say("anew")
    assert await page(stage) == ["anew"]


async def test_clearing_is_announced_once(stage: Stage) -> None:
    """The event says up to where, how much, and by whom; where nothing is left, nothing is told."""
    await stage.say("one")
    last = await stage.say("two", BEN)
    before = [event.seq for event in stage.world.heard.events][-1]
    await clear(stage)
    await clear(stage)
    (cleared,) = told(stage, "channel_cleared")
    assert cleared == {"up_to": before, "count": 3, "is_last": True, "by": SERVICE.id}
    assert before >= last.seq


@pytest.mark.usefixtures("small_steps")
async def test_much_is_cleared_step_by_step(stage: Stage) -> None:
    """Each commit takes the oldest that are left, and tells up to where; what is said meanwhile stays."""
    for number in range(7):
        await stage.say(str(number))
    commits = stage.world.database.commits
    async with stage.world.database.held() as entered:
        wish = asyncio.create_task(clear(stage))
        await entered.wait()
        later = stage.world.submit("meanwhile", principal=ANN, author_id=ANN.id)
        while not stage.world.journal.waiting:  # noqa: ASYNC110 - the journal tells nobody
            await asyncio.sleep(0)
    await asyncio.gather(wish, later)
    steps = told(stage, "channel_cleared")
    assert [(step["count"], step["is_last"]) for step in steps] == [(3, False), (3, False), (2, True)]
    assert [step["up_to"] for step in steps] == sorted({step["up_to"] for step in steps})
    assert stage.world.database.commits - commits <= 4
    assert await page(stage) == ["meanwhile"]
    assert (await channel(stage)).message_count == 1
    assert await faults(stage) == []


async def test_what_waits_for_messages_ends_with_them(stage: Stage) -> None:
    """Runs are cancelled, each with one end, and what was streamed of their replies is gone."""
    run = await stage.opened("well?")
    await stage.claim(run)
    await clear(stage)
    assert stage.ends(run) == [("cancelled", "message_deleted")]


async def test_a_deleted_channel_leaves_nothing(stage: Stage) -> None:
    """Neither what was said in it, nor what it was called, who was in it and why somebody was muted."""
    ctx = stage.world.ctx
    draft = ChannelDraft(
        ANN, DEFAULT_SERVER_ID, SECRET, "text", topic=SECRET, metadata={"about": SECRET}, source_id=SECRET
    )
    unnamed = (await channels.create(ctx, draft)).id
    await participants.add(ctx, Joining(ANN, unnamed, BEN.id))
    await participants.add(ctx, Joining(ANN, unnamed, BOT.id))
    await mutes.mute(ctx, Muting(ANN, unnamed, BOT.id, SECRET))
    await messages.submit(ctx, stage.world.draft(SECRET, channel_id=unnamed, principal=ANN, author_id=ANN.id))
    await participants.remove(ctx, ANN, unnamed, BEN.id)
    assert {"channels", "events", "messages", "mutes"} <= set(await stage.world.holders(SECRET))
    await delete(stage, ANN, unnamed)
    assert await stage.world.holders(SECRET) == []
    assert await faults(stage) == []


async def test_a_deletion_is_announced_and_nothing_after_it(stage: Stage) -> None:
    """The channel's members are told that it is gone; each membership ends with that event."""
    await stage.say("one")
    await delete(stage)
    assert told(stage, "channel_deleted") == [{"by": SERVICE.id}]
    last = stage.world.heard.events[-1]
    assert last.kind == "channel_deleted"
    found = await stage.world.database.inner.read(
        lambda connection: store.participants.list_since(connection, DEFAULT_SERVER_ID, ANN.id, 0)
    )
    assert [membership.left_seq for membership in found] == [last.seq + 1]


async def test_a_deleted_channel_is_one_that_does_not_exist(stage: Stage) -> None:
    """Whatever is asked of it, by whomever, is answered so; its id is not given again."""
    ctx, channel_id = stage.world.ctx, stage.world.channel_id
    message = await stage.say("one")
    run = await stage.opened("well?")
    await delete(stage)
    asked = [
        channels.require(ctx, SERVICE, channel_id),
        stage.say("two"),
        history.of_channel(ctx, SERVICE, channel_id, Window(50)),
        edits.require(ctx, Target(SERVICE, message.id)),
        participants.list_for(ctx, ANN, channel_id),
        participants.add(ctx, Joining(SERVICE, channel_id, ANN.id)),
        run_lookup.require(ctx, ANN, run.id),
        delete(stage),
        clear(stage),
    ]
    for wish in asked:
        with pytest.raises(NotFound):
            await wish
    with pytest.raises(Conflict):
        await channels.create(ctx, ChannelDraft(ANN, DEFAULT_SERVER_ID, "talk", "text", id=channel_id))
    assert await channels.list_visible(ctx, SERVICE, DEFAULT_SERVER_ID) == []
    assert await channels.list_visible(ctx, ANN, DEFAULT_SERVER_ID) == []


async def test_a_deleted_channel_is_not_opened_again(stage: Stage) -> None:
    """Where messages make channels, one to a channel that is gone is refused."""
    await delete(stage)
    ctx = stage.world.ctx
    ctx.homes.clear()
    object.__setattr__(ctx, "policy", ctx.policy.__class__(opens_channels=True))
    with pytest.raises(NotFound):
        await opening.submit(ctx, stage.world.draft("two"), DEFAULT_SERVER_ID, "a test")


async def test_what_was_deleted_is_not_taken_over_from_elsewhere(stage: Stage) -> None:
    """An import that is repeated finds the channel gone, with its messages, and leaves it so."""
    ctx, channel_id = stage.world.ctx, stage.world.channel_id
    times = {"created_at": 1_000, "updated_at": 1_000}
    message = {"id": NOWHERE, "channel_id": channel_id, "author_id": ANN.id, "content": "hello", **times}
    channel = {"id": channel_id, "server_id": DEFAULT_SERVER_ID, "name": "talk", "type": "GROUP", **times}
    await delete(stage)
    for forgotten in (False, True):  # in which server the channel was
        if forgotten:
            ctx.homes.clear()
        (taken,) = await importing.take_channels(ctx, [channel])
        assert (taken.fate, taken.remarks) == (Fate.REFUSED, ("It was taken over before, and deleted here",))
        (taken,) = await importing.take_messages(ctx, [message])
        assert taken.fate is Fate.REFUSED
    assert await faults(stage) == []


async def test_what_was_unique_is_free_again(stage: Stage) -> None:
    """Another channel may have the name, and the pair another dm."""
    ctx = stage.world.ctx
    for _ in range(2):
        named = ChannelDraft(ANN, DEFAULT_SERVER_ID, "Taken", "text", unique=True)
        await delete(stage, ANN, (await channels.create(ctx, named)).id)
        dm = await channels.find_or_create_dm(ctx, channels.DmWish(ANN, DEFAULT_SERVER_ID, ANN.id, BEN.id))
        await delete(stage, ANN, dm.id)


async def test_a_session_ends_with_its_channel(stage: Stage) -> None:
    """It is gone as if it had been deleted; a channel that only says that it is a session's ends nothing."""
    ctx = stage.world.ctx
    session = await sessions.create(ctx, SessionDraft(ANN, BOT.id, ANN.id))
    claim = ChannelDraft(ANN, DEFAULT_SERVER_ID, "mine", "text", source_type="session", source_id=session.id)
    await delete(stage, ANN, (await channels.create(ctx, claim)).id)
    assert (await sessions.require(ctx, ANN, session.id)).id == session.id
    await delete(stage, ANN, session.channel_id)
    with pytest.raises(SessionNotFound):
        await sessions.require(ctx, ANN, session.id)


async def test_messages_and_members_of_the_same_commit_are_gone_too(stage: Stage) -> None:
    """What waits for the commit that deletes is stored before, and leaves nothing."""
    ctx, channel_id = stage.world.ctx, stage.world.channel_id
    outcomes = await asyncio.gather(
        messages.submit(ctx, stage.world.draft(SECRET)),
        participants.add(ctx, Joining(SERVICE, channel_id, "late")),
        delete(stage),
        participants.add(ctx, Joining(SERVICE, channel_id, "later")),
        messages.submit(ctx, stage.world.draft(SECRET)),
        return_exceptions=True,
    )
    assert all(
        outcome is None or not isinstance(outcome, Exception) or isinstance(outcome, ParleyError)
        for outcome in outcomes
    )
    with pytest.raises(NotFound):
        await channels.require(ctx, SERVICE, channel_id)
    assert await stage.world.holders(SECRET) == []
    assert await faults(stage) == []


@pytest.mark.usefixtures("small_steps")
async def test_much_is_said_while_a_channel_is_deleted(stage: Stage) -> None:
    """It is cleared of that too, in steps, before it ends."""
    for number in range(5):
        await stage.say(str(number))

    async def talk() -> int:
        count = 0
        while True:
            try:
                await stage.say(f"{SECRET} {count}")
            except NotFound:
                return count
            count += 1

    talking = [asyncio.create_task(talk()) for _ in range(5)]
    await delete(stage)
    await asyncio.gather(*talking)
    assert await stage.world.holders(SECRET) == []
    assert await faults(stage) == []


@pytest.mark.parametrize("change", [clear, delete])
async def test_who_manages_a_channel_clears_and_deletes_it(stage: Stage, change: Any) -> None:
    """Owners, moderators and services may; members, agents, observers and strangers change nothing."""
    ctx, channel_id = stage.world.ctx, stage.world.channel_id
    await participants.add(ctx, Joining(SERVICE, channel_id, MODERATOR.id, Role.MODERATOR))
    await participants.add(ctx, Joining(SERVICE, channel_id, "watcher", Role.OBSERVER))
    for who in (ANN, BOT, Principal("watcher", Kind.USER)):
        with pytest.raises(PermissionDenied):
            await change(stage, who)
    for who in (Principal("eve", Kind.USER), Principal("blind", Kind.SERVICE)):
        with pytest.raises(NotFound):
            await change(stage, who)
    assert await page(stage) == ["first"]
    await change(stage, MODERATOR)


async def test_an_open_question_is_withdrawn(stage: Stage) -> None:
    """Nobody can decide what a message that is gone has asked for."""
    request = Request(["yes", "no"], lasts_ms=60_000)
    asked = (await stage.world.submit("sure?", approval=request)).message
    await clear(stage)
    with pytest.raises(NotFound):
        await approvals.require(stage.world.ctx, SERVICE, asked.id)
