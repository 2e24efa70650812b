"""A log over HTTP, and who may see what of it: members, services, and whoever holds a good credential."""

import pytest

from rooms.principals import Scope
from tests.following import EVENTS, following, poll, position, say, texts
from tests.rest import API, Rest
from tests.running import Parley

OTHER_SERVER = "bbbbbbbb-0000-0000-0000-000000000001"
NOWHERE = "11111111-2222-3333-4444-555555555555"
NOT_FOUND = (404, "RESOURCE_NOT_FOUND")
VALIDATION_ERROR = (400, "VALIDATION_ERROR")


async def test_a_client_sees_a_channel_while_it_is_in_it(parley: Parley, ann: Rest) -> None:
    """It hears itself come, what is said, itself go, and nothing before, after or elsewhere."""
    after = await position(ann)
    async with following(ann) as stream:
        channel_id = await parley.service.new_channel("later", "ben")
        await say(parley, channel_id, "before")
        for word in ("first", "second"):
            await parley.service.add(channel_id, "ann")
            await say(parley, channel_id, word)
            await parley.service.remove(channel_id, "ann")
            await say(parley, channel_id, "behind her back")
        await stream.wait_for("participant_left", 2)
        last = await parley.service.new_channel("last", "ann", "ben")
        await say(parley, last, "third")
        await stream.hear("third")
    visit = ["participant_joined", "message", "participant_left"]
    expected = [*visit, *visit, "participant_joined", "participant_joined", "message"]
    assert stream.texts == ["first", "second", "third"]
    assert [told.event for told in stream.told[2:] if told.event] == expected
    assert [told["event"] for told in (await poll(ann, after))["events"]] == expected


async def test_a_waiting_client_hears_of_a_channel_that_it_is_let_into(parley: Parley, ann: Rest) -> None:
    """Being added wakes it, though it was in no channel of that kind before."""
    async with following(ann) as stream:
        channel_id = await parley.service.new_channel("new", "ann", "ben")
        (joined,) = await stream.wait_for("participant_joined")
        assert joined.data["channel_id"] == channel_id
        await say(parley, channel_id, "welcome")
        await stream.hear("welcome")


async def test_a_service_sees_everything_of_its_server(parley: Parley, channel_id: str) -> None:
    """It is woken by whatever happens, also in channels that are made later; other servers are apart."""
    reader = await parley.restricted_service(Scope.MESSAGES_READ)
    await parley.service.post(f"{API}/message-servers", {"name": "Other", "id": OTHER_SERVER})
    elsewhere = await parley.service.new_channel("else", "ben", serverId=OTHER_SERVER)
    async with (
        following(reader) as stream,
        following(reader, server_id=OTHER_SERVER) as other,
        following(reader, channel_id=channel_id) as filtered,
    ):
        await say(parley, elsewhere, "elsewhere")
        await say(parley, channel_id, "here")
        await say(parley, await parley.service.new_channel("new", "ben"), "there")
        await say(parley, channel_id, "again")
        await stream.hear("here", "there", "again")
        await filtered.hear("here", "again")
        await other.hear("elsewhere")
    assert stream.texts == ["here", "there", "again"]
    assert filtered.texts == ["here", "again"]


async def test_a_filter_lets_through_the_named_channels_only(
    parley: Parley, ann: Rest, channel_id: str
) -> None:
    """Named twice or in one list; a channel that the client is let into later is not let through."""
    second, third = [await parley.service.new_channel(name, "ann", "ben") for name in ("second", "third")]
    start = await position(ann)
    both = {"channel_id": f"{channel_id},{second.upper()}"}
    query = [("channel_id", channel_id), ("channel_id", second), ("wait", "0"), ("after", start)]
    async with following(ann, **both) as stream:
        later = await parley.service.new_channel("later", "ann", "ben")
        for place in (third, later, second, third, channel_id):
            await say(parley, place, place)
        await stream.hear(second, channel_id)
    assert stream.texts == [second, channel_id]
    assert texts(await poll(ann, start, **both)) == [second, channel_id]
    assert texts((await ann.request("GET", EVENTS, params=query)).data) == [second, channel_id]


async def test_what_a_client_may_not_see_does_not_exist(parley: Parley, ann: Rest, channel_id: str) -> None:
    """A hidden channel, one that was left, one of another server, a server that is not there."""
    await parley.service.post(f"{API}/message-servers", {"name": "Other", "id": OTHER_SERVER})
    hidden = await parley.service.new_channel("hidden", "ben")
    elsewhere = await parley.service.new_channel("else", "ann", serverId=OTHER_SERVER)
    left = await parley.service.new_channel("left", "ann", "ben")
    assert (await ann.remove(left, "ann")).status == 200
    unseen = [
        {"channel_id": found} for found in (hidden, elsewhere, left, NOWHERE, "x", "", f"{channel_id},x")
    ]
    for query in [*unseen, {"server_id": NOWHERE}, {"server_id": "x"}]:
        for more in ({}, {"wait": 0}):
            reply = await ann.get(EVENTS, **query, **more)
            assert (query, reply.refusal) == (query, NOT_FOUND)


@pytest.mark.parametrize(
    "query", [{"wait": "soon"}, {"wait": "-1"}, {"wait": "1.5"}, {"wait": ""}, {"wait": "0", "limit": "0"}]
)
async def test_a_wait_that_is_no_number_is_refused(ann: Rest, query: dict[str, str]) -> None:
    """Seconds and limits are whole numbers."""
    assert (await ann.get(EVENTS, **query)).refusal == VALIDATION_ERROR
