"""Read markers over REST and sockets: what is answered, and who is told."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from rooms.principals import Kind
from rooms.rules import DEFAULT_SERVER_ID
from tests.rest import API, Reply, Rest
from tests.running import Parley
from tests.talking import Talker, talking

NOWHERE = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
async def channel_id(parley: Parley) -> str:
    """Give a channel of two members and an observer."""
    created = await parley.service.new_channel("talk", "ann", "ben")
    await parley.service.add(created, "olga", role="observer")
    return created


@pytest.fixture
async def ann(parley: Parley, channel_id: str) -> AsyncIterator[Talker]:
    """Connect one of them."""
    async with talking(parley.url, {"token": await parley.key(Kind.USER, "ann")}) as talker:
        yield talker


@pytest.fixture
async def ben(parley: Parley, channel_id: str) -> AsyncIterator[Talker]:
    """Connect the other."""
    async with talking(parley.url, {"token": await parley.key(Kind.USER, "ben")}) as talker:
        yield talker


async def read(client: Rest, channel_id: str, **place: Any) -> Reply:
    """Say up to where somebody has read."""
    return await client.request("PUT", f"{API}/channels/{channel_id}/read", json=place)


async def test_a_reader_is_seen_by_the_others(
    parley: Parley, channel_id: str, ann: Talker, ben: Talker
) -> None:
    """Once for each step, by whichever door; its own connection knows by the ack."""
    first, second = [await ann.data("submit", {"channel_id": channel_id, "content": "@ben"}) for _ in "ab"]
    place = {"channel_id": channel_id, "seq": first["seq"]}
    answer = {"channel_id": channel_id, "seq": first["seq"], "unread": 1, "mentions": 1}
    assert [await ben.data("read", place) for _ in range(2)] == [answer, answer]
    over_rest = await parley.user("ben")
    assert (await over_rest.get(f"{API}/channels/{channel_id}/read")).data == answer
    answer = {"channel_id": channel_id, "seq": second["seq"], "unread": 0, "mentions": 0}
    for _ in range(2):
        assert (await read(over_rest, channel_id, message_id=second["id"])).data == answer
    assert await ben.data("read", {"message_id": first["id"]}) == answer
    told = [{"channel_id": channel_id, "userId": "ben", "seq": message["seq"]} for message in (first, second)]
    for talker, heard in ((ann, told), (ben, told[1:])):
        await talker.settle()
        assert talker.all("read") == heard


async def test_all_that_is_unread_is_told_at_once(parley: Parley, channel_id: str) -> None:
    """Of the default server unless another is named; only of channels that one takes part in."""
    ann = await parley.user("ann")
    await parley.service.submit(channel_id, "hello @ann", author_id="ben")
    joined = (await ann.get(f"{API}/channels/{channel_id}/read")).data["seq"]
    own = [{"channel_id": channel_id, "seq": joined, "unread": 1, "mentions": 1}]
    for query in ({}, {"server_id": DEFAULT_SERVER_ID}):
        assert (await ann.get(f"{API}/unread", **query)).data == {"channels": own}
    assert (await (await parley.user("eve")).get(f"{API}/unread")).data == {"channels": []}
    assert (await ann.get(f"{API}/unread", server_id=NOWHERE)).refusal == (404, "RESOURCE_NOT_FOUND")


async def test_who_reads_along_has_a_marker(parley: Parley, channel_id: str) -> None:
    """Observers, too; strangers find no channel, and services take no part."""
    seq = (await parley.service.submit(channel_id, "hello", author_id="ann")).data["seq"]
    assert (await read(await parley.user("olga"), channel_id, seq=seq)).data["unread"] == 0
    eve = await parley.user("eve")
    assert (await read(eve, channel_id, seq=seq)).refusal == (404, "RESOURCE_NOT_FOUND")
    assert (await eve.get(f"{API}/channels/{channel_id}/read")).refusal == (404, "RESOURCE_NOT_FOUND")
    assert (await read(parley.service, channel_id, seq=seq)).refusal == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    "place",
    [{}, {"seq": -1}, {"seq": "1"}, {"seq": 1.5}, {"seq": True}, {"message_id": "x"}, {"seq": None}],
    ids=str,
)
async def test_what_is_no_place_is_refused(
    parley: Parley, channel_id: str, ann: Talker, place: dict[str, Any]
) -> None:
    """By both doors alike; so is a place of which two things are said."""
    client = await parley.user("ann")
    assert (await read(client, channel_id, **place)).refusal == (400, "VALIDATION_ERROR")
    assert (await read(client, channel_id, seq=1, message_id=NOWHERE)).refusal[0] == 400
    assert await ann.code("read", {"channel_id": channel_id, **place}) == "VALIDATION_ERROR"
    assert await ann.code("read", {"seq": 1}) == "VALIDATION_ERROR"
