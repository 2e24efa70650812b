"""Participants: coming, going, roles, and what a membership lets somebody read."""

import asyncio

import pytest
from sqlalchemy import update

from rooms.principals import Scope
from rooms.store import channels
from tests.rest import API, Rest
from tests.running import Parley

DENIED = (403, "PERMISSION_DENIED")
NOT_FOUND = (404, "RESOURCE_NOT_FOUND")
BAD = (400, "VALIDATION_ERROR")


@pytest.fixture
async def ann(parley: Parley) -> Rest:
    """Give the client of the channel's owner."""
    return await parley.user("ann")


@pytest.fixture
async def channel_id(ann: Rest) -> str:
    """Give a channel that the user has created."""
    return await ann.new_channel("talk")


async def roles(client: Rest, channel_id: str) -> dict[str, str]:
    """Return the role of each participant."""
    found = (await client.get(f"{API}/channels/{channel_id}/participants")).data["participants"]
    return {participant["userId"]: participant["role"] for participant in found}


async def hide_earlier_history(parley: Parley, channel_id: str) -> None:
    """Let members of the channel read only what is said while they are members."""
    # No route sets this yet.
    statement = update(channels.table).where(channels.table.c.id == channel_id).values(earlier_history=False)
    await parley.node.ctx.database.write(lambda connection: connection.execute(statement))


async def test_adding_somebody_twice_answers_who_is_there(ann: Rest, channel_id: str) -> None:
    """The second time is 201 with the first participation, whatever role it asks for."""
    first = await ann.add(channel_id, "ben", role="observer")
    again = await ann.add(channel_id, "ben", role="moderator")
    assert (first.status, again.status) == (201, 201)
    assert again.raw == first.raw
    assert await roles(ann, channel_id) == {"ann": "owner", "ben": "observer"}


async def test_concurrent_additions_make_one_participation(ann: Rest, channel_id: str) -> None:
    """Ten requests at once leave one participant."""
    replies = await asyncio.gather(*(ann.add(channel_id, "ben") for _ in range(10)))
    assert {reply.status for reply in replies} == {201}
    assert len({reply.raw for reply in replies}) == 1
    assert list(await roles(ann, channel_id)) == ["ann", "ben"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"userId": ""},
        {"userId": "a b"},
        {"userId": "a/b"},
        {"userId": "ü"},
        {"userId": "x" * 129},
        {"userId": 5},
        {"userId": None},
        {"userId": "ben", "role": "king"},
        {"userId": "ben", "role": None},
    ],
    ids=str,
)
async def test_nobody_is_added_by_a_malformed_request(
    ann: Rest, channel_id: str, body: dict[str, object]
) -> None:
    """Each is 400, and the participants stay as they are."""
    assert (await ann.post(f"{API}/channels/{channel_id}/participants", body)).refusal == BAD
    assert list(await roles(ann, channel_id)) == ["ann"]


@pytest.mark.parametrize("who", ["a", "user-123", "a.b_c:d@e-1", "x" * 128, "0" * 128])
async def test_an_id_comes_back_exactly_as_it_was_given(ann: Rest, channel_id: str, who: str) -> None:
    """Letters, digits and ``- _ . : @`` in any mixture are an id."""
    assert (await ann.add(channel_id, who)).data["participant"]["userId"] == who
    assert (await ann.remove(channel_id, who)).data["userId"] == who


async def test_managers_decide_who_takes_part(parley: Parley, ann: Rest, channel_id: str) -> None:
    """Owners and moderators add and remove; members and observers do neither."""
    people = {role: await parley.user(role) for role in ("owner", "moderator", "member", "observer")}
    for role in people:
        await ann.add(channel_id, role, role=role)
    for role, client in people.items():
        manages = role in ("owner", "moderator")
        added = await client.add(channel_id, f"guest-of-{role}")
        assert (added.status == 201) is manages
        await ann.add(channel_id, f"guest-of-{role}")
        removed = await client.remove(channel_id, f"guest-of-{role}")
        assert (removed.status == 200) is manages
        if not manages:
            assert added.refusal == removed.refusal == DENIED


async def test_a_service_needs_the_scope_to_change_participants(parley: Parley, channel_id: str) -> None:
    """channels:write is enough for a service that sees the channel; without it, it is refused."""
    reader = await parley.restricted_service(Scope.MESSAGES_READ)
    assert (await reader.add(channel_id, "ben")).refusal == DENIED
    assert (await reader.remove(channel_id, "ann")).refusal == DENIED
    manager = await parley.restricted_service(Scope.MESSAGES_READ, Scope.CHANNELS_WRITE)
    assert (await manager.add(channel_id, "ben")).status == 201
    assert (await manager.remove(channel_id, "ben")).status == 200


async def test_anybody_may_leave(parley: Parley, ann: Rest, channel_id: str) -> None:
    """A member ends its own participation and does not see the channel any more."""
    ben = await parley.user("ben")
    await ann.add(channel_id, "ben")
    assert (await ben.remove(channel_id, "ben")).data == {"channelId": channel_id, "userId": "ben"}
    assert list(await roles(ann, channel_id)) == ["ann"]
    for refused in (await ben.history(channel_id), await ben.submit(channel_id)):
        assert refused.refusal == NOT_FOUND


async def test_nobody_leaves_twice(ann: Rest, channel_id: str) -> None:
    """Somebody who takes no part cannot be removed: 404 names the participant, not the channel."""
    for who in ("ben", "ben%20", "%00"):
        refused = await ann.remove(channel_id, who)
        assert refused.refusal == NOT_FOUND
        assert refused.error["message"] == "Participant not found"


async def test_joining_oneself_makes_a_member_and_no_more(parley: Parley, ann: Rest) -> None:
    """Into a joinable channel anybody may go, alone and as a member only."""
    channel_id = await ann.new_channel("open", joinable=True)
    ben = await parley.user("ben")
    for role in ("owner", "moderator", "observer"):
        assert (await ben.add(channel_id, "ben", role=role)).refusal == DENIED
    assert (await ben.add(channel_id, "cat")).refusal == DENIED
    assert (await ben.add(channel_id, "ben")).data["participant"]["role"] == "member"


async def test_a_newcomer_reads_what_was_said_before(parley: Parley, ann: Rest, channel_id: str) -> None:
    """By default members read the whole channel, from before and between their stays."""
    ben = await parley.user("ben")
    await ann.submit(channel_id, "before")
    await ann.add(channel_id, "ben")
    assert await ben.texts(channel_id) == ["before"]
    await ann.remove(channel_id, "ben")
    await ann.submit(channel_id, "between")
    await ann.add(channel_id, "ben")
    assert await ben.texts(channel_id) == ["before", "between"]


async def test_without_earlier_history_a_member_reads_its_own_stays(
    parley: Parley, ann: Rest, channel_id: str
) -> None:
    """What was said before, between and after the stays is in no page, no order and no count."""
    ben = await parley.user("ben")
    await hide_earlier_history(parley, channel_id)
    for stay in (1, 2):
        await ann.submit(channel_id, f"absent {stay}")
        await ann.add(channel_id, "ben")
        await ann.submit(channel_id, f"present {stay}")
        await ann.submit(channel_id, f"still there {stay}")
        await ann.remove(channel_id, "ben")
    await ann.add(channel_id, "ben")
    seen = ["present 1", "still there 1", "present 2", "still there 2"]
    for query in ({}, {"offset": 0}, {"after": 0}, {"order": "asc", "limit": 4}):
        assert await ben.texts(channel_id, **query) == seen
    assert await ben.texts(channel_id, limit=3, offset=1) == seen[1:]
    assert await ben.in_elizas_dialect().texts(channel_id) == seen[::-1]
    assert (await ben.history(channel_id)).data["pagination"]["total"] == 4
    assert (await ann.history(channel_id)).data["pagination"]["total"] == 6
    assert (await parley.service.history(channel_id)).data["pagination"]["total"] == 6


async def test_without_earlier_history_a_visitor_reads_nothing(parley: Parley, ann: Rest) -> None:
    """A joinable channel that hides earlier history shows nothing to those who have never joined."""
    channel_id = await ann.new_channel("open", joinable=True)
    await hide_earlier_history(parley, channel_id)
    await ann.submit(channel_id, "among us")
    page = (await (await parley.user("eve")).history(channel_id)).data
    assert (page["messages"], page["pagination"]["total"]) == ([], 0)


async def test_participants_are_described(parley: Parley, ann: Rest, channel_id: str) -> None:
    """The list says who is what, by which name and since when, in the order of joining."""
    await parley.agent("bot", "Helper")
    for who, role in (("bot", "member"), ("zoe", "observer")):
        await ann.add(channel_id, who, role=role)
    path = f"{API}/channels/{channel_id}/participants"
    found = (await ann.get(path)).data["participants"]
    assert [(each["userId"], each["kind"], each["name"], each["role"]) for each in found] == [
        ("ann", "user", "ann", "owner"),
        ("bot", "agent", "Helper", "member"),
        ("zoe", "user", "zoe", "observer"),
    ]
    assert {each["channelId"] for each in found} == {channel_id}


async def test_an_agent_that_was_ended_is_added_nowhere(parley: Parley, ann: Rest, channel_id: str) -> None:
    """Whatever the request, until somebody registers it again."""
    await parley.agent("bot")
    await parley.service.delete("/api/agents/bot")
    adding = f"{API}/channels/{channel_id}/participants"
    for reply in (
        await ann.add(channel_id, "bot"),
        await parley.service.post(adding, {"userId": "bot"}),
        await ann.create_channel("another", participantCentralUserIds=["bot"]),
        await ann.get(f"{API}/dm-channel", currentUserId="ann", targetUserId="bot"),
        await parley.service.submit(channel_id, author_id="bot", source_type="agent_response"),
    ):
        assert reply.refusal == NOT_FOUND
        assert "'bot'" in reply.error["details"]
    assert list(await roles(ann, channel_id)) == ["ann"]
    await parley.agent("bot")
    assert (await ann.add(channel_id, "bot")).status == 201
