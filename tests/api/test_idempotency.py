"""A submit happens once: ``messageId`` is its author's key for a day, the same through every door."""

import asyncio
import time
import uuid

import pytest

from rooms.rules import DEFAULT_SERVER_ID
from tests.rest import API, Rest
from tests.running import Parley
from tests.talking import ELIZA, NATIVE, talking

DAY = 24 * 60 * 60
CONFLICT = (409, "CONFLICT")


@pytest.fixture
async def ann(parley: Parley) -> Rest:
    """Give a user's client."""
    return await parley.user("ann")


@pytest.fixture
async def channel_id(parley: Parley, ann: Rest) -> str:
    """Give a channel of two users."""
    return await parley.service.new_channel("talk", "ann", "ben")


async def total(client: Rest, channel_id: str) -> int:
    """Count what the channel holds."""
    count: int = (await client.history(channel_id)).data["pagination"]["total"]
    return count


@pytest.mark.parametrize("key", ["k", "a key with spaces", "é🙂", "x" * 128, DEFAULT_SERVER_ID])
async def test_the_same_message_again_gets_the_same_answer(ann: Rest, channel_id: str, key: str) -> None:
    """A retry answers 201 with the first body, and nothing is stored."""
    first = await ann.submit(channel_id, messageId=key)
    again = await ann.submit(channel_id, messageId=key)
    assert (first.status, again.status) == (201, 201)
    assert again.raw == first.raw
    assert await total(ann, channel_id) == 1


async def test_a_uuid_becomes_the_messages_id(ann: Rest, channel_id: str) -> None:
    """A UUID as messageId is the id, in lower case; any other key leaves the id to the server."""
    key = str(uuid.uuid4())
    assert (await ann.submit(channel_id, messageId=key.upper())).data["id"] == key
    assert (await ann.submit(channel_id, messageId=key)).data["id"] == key
    assert (await ann.submit(channel_id, messageId="no uuid")).data["id"] != "no uuid"
    assert await total(ann, channel_id) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"content": "something else"},
        {"attachments": [{"url": "https://example.com/a.png", "contentType": "image/png"}]},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_another_message_under_the_same_key_is_a_conflict(
    ann: Rest, channel_id: str, other: dict[str, object]
) -> None:
    """A key that stands for another message is 409, and nothing is stored."""
    await ann.submit(channel_id, "hello", messageId="k")
    refused = await ann.submit(channel_id, **{"content": "hello", "messageId": "k", **other})
    assert refused.refusal == CONFLICT
    assert await total(ann, channel_id) == 1


async def test_channel_and_parent_belong_to_what_a_key_stands_for(
    parley: Parley, ann: Rest, channel_id: str
) -> None:
    """The same words in another channel, or as a reply, are another message."""
    elsewhere = await parley.service.new_channel("elsewhere", "ann")
    first = await ann.submit(channel_id, messageId="k")
    assert (await ann.submit(elsewhere, messageId="k")).refusal == CONFLICT
    as_reply = {"messageId": "k", "in_reply_to_message_id": first.data["id"]}
    assert (await ann.submit(channel_id, **as_reply)).refusal == CONFLICT


async def test_what_is_said_about_a_message_does_not_change_what_it_is(ann: Rest, channel_id: str) -> None:
    """Metadata and source are not part of the fingerprint: a retry may differ in them."""
    first = await ann.submit(channel_id, messageId="k", metadata={"attempt": 1})
    again = await ann.submit(channel_id, messageId="k", metadata={"attempt": 2}, source_type="retry")
    assert again.raw == first.raw


async def test_authors_do_not_share_their_keys(parley: Parley, ann: Rest, channel_id: str) -> None:
    """The same plain key of two authors stands for two messages."""
    ben = await parley.user("ben")
    first, second = await ann.submit(channel_id, messageId="k"), await ben.submit(channel_id, messageId="k")
    assert (first.status, second.status) == (201, 201)
    assert first.data["id"] != second.data["id"]


async def test_another_authors_id_is_taken_and_reveals_nothing(
    parley: Parley, ann: Rest, channel_id: str
) -> None:
    """A UUID that somebody else's message has is 409, and says nothing of that message."""
    ben = await parley.user("ben")
    private = await parley.service.new_channel("private", "ben")
    key = (await ben.submit(private, "secret", messageId=str(uuid.uuid4()))).data["id"]
    for content in ("secret", "other"):
        refused = await ann.submit(channel_id, content, messageId=key)
        assert refused.refusal == CONFLICT
        assert not {b"secret", b"ben", private.encode()} & set(refused.raw.split(b"'"))
        assert b"secret" not in refused.raw
    assert await total(ann, channel_id) == 0


async def test_concurrent_attempts_make_one_message(parley: Parley, ann: Rest, channel_id: str) -> None:
    """Twenty attempts at once all get the same 201, and subscribers see one message."""
    async with talking(parley.url, {"token": ann.secret}) as talker:
        replies = await asyncio.gather(*(ann.submit(channel_id, messageId="k") for _ in range(20)))
        await talker.settle()
        assert len(talker.all("message")) == 1
    assert {reply.status for reply in replies} == {201}
    assert len({reply.raw for reply in replies}) == 1
    assert await total(ann, channel_id) == 1


async def test_concurrent_messages_under_one_key_make_one_message(ann: Rest, channel_id: str) -> None:
    """Of different messages that race under one key one is stored; the others are 409."""
    replies = await asyncio.gather(*(ann.submit(channel_id, f"{n}", messageId="k") for n in range(10)))
    assert sorted(reply.status for reply in replies) == [201] + [409] * 9
    assert await total(ann, channel_id) == 1


async def test_a_refusal_is_not_remembered(parley: Parley, ann: Rest, channel_id: str) -> None:
    """What was refused can be sent again under its key once it is allowed."""
    eve = await parley.user("eve")
    assert (await eve.submit(channel_id, messageId="k")).status == 404
    assert (await ann.submit(channel_id, "", messageId="k")).status == 400
    await parley.service.add(channel_id, "eve")
    assert (await eve.submit(channel_id, messageId="k")).status == 201
    assert (await ann.submit(channel_id, "hello", messageId="k")).status == 201


async def test_a_key_does_not_open_what_has_been_closed(parley: Parley, ann: Rest, channel_id: str) -> None:
    """A retry by somebody who has been removed meanwhile is refused like any other message."""
    assert (await ann.submit(channel_id, messageId="k")).status == 201
    await parley.service.remove(channel_id, "ann")
    assert (await ann.submit(channel_id, messageId="k")).refusal == (404, "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize("key", ["k", str(uuid.uuid4())], ids=["plain", "uuid"])
async def test_a_key_is_good_for_a_day(parley: Parley, ann: Rest, channel_id: str, key: str) -> None:
    """Just before 24 hours are over the first answer comes again; after them the key is new."""
    now = time.time()
    parley.node.ctx.journal.clock = lambda: now
    first = await ann.submit(channel_id, messageId=key)
    now += DAY - 1
    assert (await ann.submit(channel_id, messageId=key)).raw == first.raw
    now += 2
    later = await ann.submit(channel_id, messageId=key)
    if key == "k":
        assert later.status == 201
        assert later.data["id"] != first.data["id"]
    else:
        # The message with that id is still there, so that the id cannot be given twice.
        assert later.refusal == CONFLICT


async def test_a_key_is_the_same_through_every_door(parley: Parley, ann: Rest, channel_id: str) -> None:
    """REST, batches, both kinds of socket: whichever door a retry takes, there is one message."""
    body = {"channel_id": channel_id, "content": "hello", "messageId": "k"}
    first = (await ann.post(f"{API}/submit", body)).data["id"]
    (item,) = (await ann.post(f"{API}/submit/batch", {"messages": [body]})).data
    assert item["data"]["id"] == first
    async with talking(parley.url, {"token": ann.secret}, NATIVE) as talker:
        assert (await talker.data("submit", body))["id"] == first
        ((one,), (other,)) = [await talker.data("submit_many", {"messages": [body]}) for _ in range(2)]
        assert one["data"]["id"] == other["data"]["id"] == first
        await talker.settle()
        assert talker.all("message") == []
    async with talking(parley.url, {"apiKey": ann.secret}, ELIZA) as talker:
        payload = {"channelId": channel_id, "message": "hello", "messageId": "k"}
        assert (await talker.data("message", {"type": 2, "payload": payload}))["messageId"] == first
        await talker.settle()
        assert talker.all("messageBroadcast") == []
    assert await total(ann, channel_id) == 1


async def test_elizas_message_id_is_a_clients_own(parley: Parley, ann: Rest, channel_id: str) -> None:
    """On ``/`` even a UUID is only the client's name for the message, not its id."""
    key = str(uuid.uuid4())
    async with talking(parley.url, {"apiKey": ann.secret}, ELIZA) as talker:
        payload = {"channelId": channel_id, "message": "hello", "messageId": key}
        ack = await talker.data("message", {"type": 2, "payload": payload})
    assert ack["clientMessageId"] == key
    assert ack["messageId"] != key


@pytest.mark.parametrize("key", ["", "x" * 129, 5, {}, "a\0b", "a\nb\x07"])
async def test_a_key_that_cannot_be_one_is_refused(ann: Rest, channel_id: str, key: object) -> None:
    """A key is a text of 1 to 128 characters."""
    assert (await ann.submit(channel_id, messageId=key)).refusal == (400, "VALIDATION_ERROR")
    assert await total(ann, channel_id) == 0
