"""Submitting many messages at once: each is checked, stored and answered by itself."""

from typing import Any

import pytest

from tests.rest import API, Reply, Rest
from tests.running import Parley, Start
from tests.talking import talking

PATH = f"{API}/submit/batch"


@pytest.fixture
async def ann(parley: Parley) -> Rest:
    """Give a user's client."""
    return await parley.user("ann")


@pytest.fixture
async def channel_id(parley: Parley, ann: Rest) -> str:
    """Give a channel in which the user takes part."""
    return await parley.service.new_channel("talk", "ann")


async def send(client: Rest, items: list[Any]) -> Reply:
    """Submit a batch."""
    return await client.post(PATH, {"messages": items})


async def test_a_hundred_messages_are_stored_in_their_order(ann: Rest, channel_id: str) -> None:
    """The answers stand in the places of the messages, with strictly rising seq."""
    texts = [f"{n}" for n in range(100)]
    reply = await send(ann, [{"channel_id": channel_id, "content": text} for text in texts])
    assert reply.status == 201
    stored = [item["data"] for item in reply.data]
    assert [message["text"] for message in stored] == texts
    seqs = [message["seq"] for message in stored]
    assert seqs == list(range(seqs[0], seqs[0] + 100))
    assert await ann.texts(channel_id, limit=100) == texts


async def test_one_bad_message_fails_no_other(parley: Parley, ann: Rest, channel_id: str) -> None:
    """Each bad item is answered by its own error in its place; the good ones are stored."""
    foreign = await parley.service.new_channel("foreign", "ben")
    good = {"channel_id": channel_id, "content": "good"}
    bad: dict[str, Any] = {
        "no object": 5,
        "null": None,
        "empty": {},
        "no content": {"channel_id": channel_id},
        "too long": {**good, "content": "x" * 4_001},
        "control": {**good, "content": "a\0b"},
        "no uuid": {**good, "channel_id": "x"},
        "unknown": {**good, "channel_id": "11111111-2222-3333-4444-555555555555"},
        "foreign": {**good, "channel_id": foreign},
        "other author": {**good, "author_id": "ben"},
        "bad parent": {**good, "in_reply_to_message_id": "11111111-2222-3333-4444-555555555555"},
        "bad metadata": {**good, "metadata": {"a key": 1}},
    }
    items = [item for each in bad.values() for item in (good, each)]
    reply = await send(ann, items)
    assert reply.status == 201
    outcomes = reply.data
    assert [outcome["success"] for outcome in outcomes] == [True, False] * len(bad)
    codes = {what: outcome["error"]["code"] for what, outcome in zip(bad, outcomes[1::2], strict=True)}
    assert codes == {
        **dict.fromkeys(bad, "VALIDATION_ERROR"),
        "unknown": "RESOURCE_NOT_FOUND",
        "foreign": "RESOURCE_NOT_FOUND",
        "other author": "PERMISSION_DENIED",
    }
    assert all(set(outcome["error"]) == {"code", "message", "details"} for outcome in outcomes[1::2])
    assert await ann.texts(channel_id) == ["good"] * len(bad)


async def test_one_batch_may_serve_several_channels(parley: Parley, ann: Rest, channel_id: str) -> None:
    """Channels of different servers are written in one request."""
    server_id = (await parley.service.post(f"{API}/message-servers", {"name": "two"})).data["server"]["id"]
    second = await parley.service.new_channel("second", "ann", serverId=server_id)
    items = [{"channel_id": where, "content": f"{n}"} for n, where in enumerate([channel_id, second] * 3)]
    assert all(item["success"] for item in (await send(ann, items)).data)
    assert await ann.texts(channel_id) == ["0", "2", "4"]
    assert await ann.texts(second) == ["1", "3", "5"]


async def test_a_message_may_answer_one_of_the_same_batch(ann: Rest, channel_id: str) -> None:
    """A parent that stands earlier in the batch is there already; one that stands later is not."""
    early, late = "aaaaaaaa-0000-0000-0000-000000000001", "aaaaaaaa-0000-0000-0000-000000000002"
    items = [
        {"channel_id": channel_id, "content": "question", "messageId": early},
        {"channel_id": channel_id, "content": "answer", "in_reply_to_message_id": early},
        {"channel_id": channel_id, "content": "too soon", "in_reply_to_message_id": late},
        {"channel_id": channel_id, "content": "later", "messageId": late},
    ]
    assert [item["success"] for item in (await send(ann, items)).data] == [True, True, False, True]


async def test_a_key_counts_within_its_own_batch(ann: Rest, channel_id: str) -> None:
    """The same message twice in a batch is stored once; another one under its key is a conflict."""
    item = {"channel_id": channel_id, "content": "once", "messageId": "k"}
    first, again, other = (await send(ann, [item, item, {**item, "content": "other"}])).data
    assert first == again
    assert other["error"]["code"] == "CONFLICT"
    assert await ann.texts(channel_id) == ["once"]


@pytest.mark.parametrize("count", [0, 101])
async def test_a_batch_of_the_wrong_size_is_refused_whole(ann: Rest, channel_id: str, count: int) -> None:
    """Nothing, and more than a hundred messages, are 400, on REST and in acks."""
    items = [{"channel_id": channel_id, "content": "x"}] * count
    assert (await send(ann, items)).refusal == (400, "VALIDATION_ERROR")
    async with talking(ann.url, {"token": ann.secret}) as talker:
        assert await talker.code("submit_many", {"messages": items}) == "VALIDATION_ERROR"
    assert await ann.texts(channel_id) == []


@pytest.mark.parametrize("messages", [None, {}, "x", 5], ids=str)
async def test_a_batch_that_is_no_list_is_refused(ann: Rest, messages: object) -> None:
    """What is no list of messages is 400."""
    assert (await ann.post(PATH, {"messages": messages})).refusal == (400, "VALIDATION_ERROR")


async def test_each_message_of_a_batch_costs_a_token(start: Start) -> None:
    """A batch is no way around the limit: what exceeds it is refused item by item."""
    parley = await start(rate_limits="on")
    ann = await parley.user("ann")
    channel_id = await parley.service.new_channel("talk", "ann")
    reply = await send(ann, [{"channel_id": channel_id, "content": "x"}] * 100)
    assert reply.status == 201
    codes = [item["error"]["code"] for item in reply.data if not item["success"]]
    assert set(codes) == {"RATE_LIMIT_EXCEEDED"}
    assert len(codes) == 41  # the request itself took one token of sixty
