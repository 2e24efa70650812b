"""What users of other platforms say: stored once, in channels of their own, for the agent that is meant."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from rooms import access, agents, channels, clearing, dismissal, external, keys, participants
from rooms.agents import Change
from rooms.errors import Conflict, ParleyError, PermissionDenied, ValidationFailed
from rooms.external import ExternalDraft, Received
from rooms.keys import KeyDraft
from rooms.participants import Joining
from rooms.principals import Kind, Scope
from rooms.rules import DEFAULT_SERVER_ID
from tests.unit.journaling import SERVICE
from tests.unit.staging import ANN, BOT, OTHER_BOT, Stage

DAY = 24 * 60 * 60.0
SPARSE = replace(SERVICE, scopes=frozenset({Scope.MESSAGES_WRITE}))


def said(message_id: str = "m1", content: str = "hello", **fields: Any) -> ExternalDraft:
    """Return what dora has said in #general."""
    who = {"principal": SERVICE, "platform": "discord", "channel_id": "general", "user_id": "dora"}
    return ExternalDraft(**{**who, "message_id": message_id, "content": content, **fields})


async def receive(stage: Stage, *arguments: Any, **fields: Any) -> Received:
    """Tell what dora has said."""
    return await external.receive(stage.world.ctx, said(*arguments, **fields))


async def add_agent(stage: Stage) -> None:
    """Register another agent."""
    await keys.create(stage.world.ctx, KeyDraft(Kind.AGENT, OTHER_BOT.id, "Other"))


async def present(stage: Stage, received: Received) -> dict[str, str]:
    """Return who takes part in the channel of a message, and what they are called."""
    found = await participants.list_for(stage.world.ctx, SERVICE, received.message.channel_id)
    return {one.entity_id: one.name for one in found}


async def counted(stage: Stage, table: str) -> int:
    """Count the rows of a table."""
    statement = text(f"SELECT count(*) FROM {table}")
    found: int = await stage.world.ctx.database.read(lambda connection: connection.scalar(statement))
    return found


async def test_the_first_message_opens_a_channel_with_its_author_and_the_agent(stage: Stage) -> None:
    """The message, the channel and the run are what they are elsewhere, and say where they come from."""
    received = await receive(stage, display_name="Dora", metadata={"guild": "g1"})
    message, run = received.message, received.run
    dora = external.user_id("discord", "dora")
    assert (message.content, message.author_id, message.source_type) == ("hello", dora, "discord")
    sources = {"platform": "discord", "channelId": "general", "userId": "dora", "messageId": "m1"}
    assert message.details == {"guild": "g1", "external": sources}
    assert await present(stage, received) == {BOT.id: "Bot", dora: "Dora"}
    channel = await channels.require(stage.world.ctx, SERVICE, message.channel_id)
    assert (channel.server_id, channel.name, channel.type) == (DEFAULT_SERVER_ID, "discord general", "GROUP")
    assert (channel.source_type, channel.source_id) == ("discord", "general")
    assert run is not None
    assert (run.agent_id, run.message_id, run.state) == (BOT.id, message.id, "queued")
    assert received.is_repeat is False


async def test_ids_are_stable(stage: Stage) -> None:
    """The same channel and user are the same; those of another platform are others."""
    first, second = await receive(stage), await receive(stage, "m2")
    by_another = await receive(stage, "m3", user_id="egon")
    elsewhere = await receive(stage, platform="telegram")
    assert first.message.channel_id == second.message.channel_id == by_another.message.channel_id
    assert first.message.author_id == second.message.author_id != by_another.message.author_id
    assert elsewhere.message.channel_id != first.message.channel_id
    assert elsewhere.message.author_id != first.message.author_id
    assert external.user_id("discord", "dora") == "ff45992f-f7a5-5723-88a0-b722a64f8cba"


async def test_a_message_is_stored_once_a_day(stage: Stage) -> None:
    """A repetition is answered with the first message and its run, as that stands by then."""
    first = await receive(stage)
    assert first.run is not None
    await stage.complete(first.run, "well.")
    stage.clock.now += DAY - 1
    again = await receive(stage)
    assert again.run is not None
    assert (again.message.id, again.is_repeat, again.run.state) == (first.message.id, True, "completed")
    stage.clock.now += 2
    assert (await receive(stage)).message.id != first.message.id


@pytest.mark.parametrize(
    "change",
    [{"content": "other"}, {"user_id": "egon"}, {"attachments": [{"url": "https://x.example/a.png"}]}],
    ids=lambda change: next(iter(change)),
)
async def test_another_message_under_a_known_id_is_a_conflict(stage: Stage, change: dict[str, Any]) -> None:
    """Nothing is stored, and nobody joins."""
    first = await receive(stage)
    before = await present(stage, first)
    with pytest.raises(Conflict):
        await receive(stage, **change)
    assert await present(stage, first) == before


async def test_ids_of_messages_count_in_their_channel(stage: Stage) -> None:
    """Telegram counts messages from 1 in each chat: the first of one is not the first of another."""
    for channel_id in ("chat 1", "chat 2"):
        assert (await receive(stage, "1", channel_id=channel_id)).is_repeat is False
    assert (await receive(stage, "1", channel_id="chat 1")).is_repeat is True


async def test_each_agent_has_channels_of_its_own(stage: Stage) -> None:
    """What is said to one of two bots, in private chats of the same id, is not told to the other."""
    await add_agent(stage)
    mine = await receive(stage, "1", agent_id=BOT.id)
    theirs = await receive(stage, "1", agent_id=OTHER_BOT.id)
    assert mine.run is not None
    assert theirs.run is not None
    assert (mine.run.agent_id, theirs.run.agent_id) == (BOT.id, OTHER_BOT.id)
    assert mine.message.channel_id != theirs.message.channel_id
    assert mine.message.author_id == theirs.message.author_id
    assert OTHER_BOT.id not in await present(stage, mine)


async def test_without_a_name_it_is_the_only_active_agent_and_stays_that(stage: Stage) -> None:
    """An agent that comes later takes no channel over; new channels have to be told which is meant."""
    first = await receive(stage)
    await add_agent(stage)
    second = await receive(stage, "m2")
    assert second.message.channel_id == first.message.channel_id
    assert second.run is not None
    assert second.run.agent_id == BOT.id
    with pytest.raises(ValidationFailed, match=r"metadata\.agentId"):
        await receive(stage, channel_id="another")
    await agents.change(stage.world.ctx, Change(SERVICE, BOT.id, is_active=False))
    other = await receive(stage, channel_id="another")
    assert other.run is not None
    assert other.run.agent_id == OTHER_BOT.id


async def test_without_any_agent_the_message_is_stored_without_a_run(stage: Stage) -> None:
    """The agent that comes later hears what is said from then on."""
    await agents.change(stage.world.ctx, Change(SERVICE, BOT.id, is_active=False))
    first = await receive(stage)
    assert (first.message.content, first.run) == ("hello", None)
    assert (await receive(stage)) == first._replace(is_repeat=True)
    await add_agent(stage)
    second = await receive(stage, "m2")
    assert second.run is not None
    assert (second.run.agent_id, second.message.channel_id) == (OTHER_BOT.id, first.message.channel_id)


async def test_what_is_refused_leaves_nothing_behind(stage: Stage) -> None:
    """No channel, no participant and no name."""
    before = [await counted(stage, table) for table in ("channels", "external_channels", "entities")]
    for fields in (
        {"agent_id": "nobody"},
        {"agent_id": ANN.id},
        {"content": "x" * 4_001},
        {"platform": "agent_response"},
        {"parent_id": "00000000-0000-0000-0000-000000000009"},
    ):
        with pytest.raises(ValidationFailed):
            await receive(stage, **fields)
    after = [await counted(stage, table) for table in ("channels", "external_channels", "entities")]
    assert after == before


async def test_only_services_that_may_name_authors_speak_for_a_platform(stage: Stage) -> None:
    """Users and agents are refused; a service needs no right to read."""
    for principal in (ANN, BOT, replace(SERVICE, scopes=frozenset({Scope.MESSAGES_READ}))):
        with pytest.raises(PermissionDenied):
            await receive(stage, principal=principal)
    first = await receive(stage, principal=SPARSE)
    assert first.run is not None
    assert (await receive(stage, principal=SPARSE)).is_repeat is True


async def test_names_follow_the_platform(stage: Stage) -> None:
    """Without one it is the platform's id; what is not said changes nothing."""
    dora = external.user_id("discord", "dora")
    names = []
    for number, name in enumerate([None, "Dora", None, "Dora the Explorer"]):
        names.append((await present(stage, await receive(stage, f"m{number}", display_name=name)))[dora])
    assert names == ["dora", "Dora", "Dora", "Dora the Explorer"]


async def test_a_thousand_messages_of_which_a_fifth_come_twice(stage: Stage) -> None:
    """800 are stored, in the order in which they came first, and each repetition is told the first."""
    drafts = [
        said(f"m{n}", f"text {n}", channel_id=f"c{n % 7}", user_id=f"u{n % 11}")
        for n in range(800)
        for _ in range(2 if n % 4 == 0 else 1)
    ]
    received = await asyncio.gather(*(external.receive(stage.world.ctx, draft) for draft in drafts))
    assert len(received) == 1_000
    told = {draft.message_id: one.message.id for draft, one in zip(drafts, received, strict=True)}
    assert all(told[draft.message_id] == one.message.id for draft, one in zip(drafts, received, strict=True))
    assert (len(set(told.values())), sum(one.is_repeat for one in received)) == (800, 200)
    assert (await stage.world.stored())[1:] == [f"text {n}" for n in range(800)]


async def test_a_refused_message_costs_its_neighbours_nothing(stage: Stage) -> None:
    """Whatever stands between them in a commit."""
    async with stage.world.database.held() as entered:
        first = asyncio.create_task(receive(stage))
        await entered.wait()
        rest = [
            asyncio.create_task(receive(stage, f"m{n}", agent_id="nobody" if n % 3 == 0 else None))
            for n in range(1, 9)
        ]
        await asyncio.sleep(0)
    outcomes = await asyncio.gather(first, *rest, return_exceptions=True)
    assert [isinstance(outcome, ParleyError) for outcome in outcomes] == [n in (3, 6) for n in range(9)]


async def test_who_was_removed_is_not_back_with_the_next_message(stage: Stage) -> None:
    """Nor renamed by it: it is refused until a manager brings its author back; others go on."""
    ctx, dora = stage.world.ctx, external.user_id("discord", "dora")
    first = await receive(stage)
    channel_id = first.message.channel_id
    await participants.remove(ctx, SERVICE, channel_id, dora)
    for fields in ({"message_id": "m2"}, {"message_id": "m3", "display_name": "Dora"}):
        with pytest.raises(PermissionDenied, match="was removed"):
            await receive(stage, **fields)
    assert (await receive(stage, "m4", user_id="egon")).run is not None
    assert dora not in await present(stage, first)
    await participants.add(ctx, Joining(SERVICE, channel_id, dora))
    assert (await receive(stage, "m2")).message.author_name == "dora"


async def test_an_observer_is_not_heard(stage: Stage) -> None:
    """Whoever is to read only cannot write from elsewhere either."""
    first = await receive(stage)
    dora = external.user_id("discord", "dora")
    await participants.remove(stage.world.ctx, SERVICE, first.message.channel_id, dora)
    await participants.add(
        stage.world.ctx, Joining(SERVICE, first.message.channel_id, dora, access.Role.OBSERVER)
    )
    with pytest.raises(PermissionDenied):
        await receive(stage, "m2")


@pytest.mark.parametrize("agent_id", [None, BOT.id])
async def test_an_agent_that_was_removed_hears_nothing_more(stage: Stage, agent_id: str | None) -> None:
    """What is said there is stored, and no run is opened, until the agent is brought back."""
    first = await receive(stage, agent_id=agent_id)
    channel_id = first.message.channel_id
    await participants.remove(stage.world.ctx, SERVICE, channel_id, BOT.id)
    unheard = await receive(stage, "m2", agent_id=agent_id)
    assert (unheard.message.channel_id, unheard.run) == (channel_id, None)
    await participants.add(stage.world.ctx, Joining(SERVICE, channel_id, BOT.id))
    assert (await receive(stage, "m3", agent_id=agent_id)).run is not None


@pytest.mark.parametrize("agent_id", [None, BOT.id])
async def test_with_an_agent_that_begins_anew_so_does_its_channel(stage: Stage, agent_id: str | None) -> None:
    """Its end has removed it from the old one, which is not to keep it from the next."""
    first = await receive(stage, agent_id=agent_id)
    await dismissal.delete(stage.world.ctx, SERVICE, BOT.id)
    await keys.create(stage.world.ctx, KeyDraft(Kind.AGENT, BOT.id, "Bot"))
    second = await receive(stage, "m2", agent_id=agent_id)
    assert second.message.channel_id != first.message.channel_id
    assert second.run is not None


async def test_a_channel_that_was_deleted_is_forgotten_and_another_one_begins(stage: Stage) -> None:
    """What is said there from then on is said in that, also if its id was known before."""
    first = await receive(stage)
    await clearing.delete(stage.world.ctx, SERVICE, first.message.channel_id)
    assert await counted(stage, "external_channels") == 0
    second = await receive(stage)
    assert second.is_repeat is False
    assert second.message.channel_id != first.message.channel_id
    assert second.run is not None
