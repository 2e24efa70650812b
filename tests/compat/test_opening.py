"""Channels that begin with the first message to them, as on elizaOS's server."""

from typing import Any

import pytest

from rooms.principals import Kind, Scope
from rooms.rules import DEFAULT_SERVER_ID
from tests.rest import API, Rest
from tests.running import Parley, Start
from tests.talking import ELIZA, Talker, talking

NEW = "3c90c3cc-0d44-4b50-8888-8dd25736052a"


async def send(talker: Talker, author_id: str, **fields: Any) -> Any:
    """Send a message to the channel that does not exist yet, and return the ack."""
    said = {"senderId": author_id, "message": "hello", "channelId": NEW, **fields}
    payload = {"messageServerId": DEFAULT_SERVER_ID, **said}
    return await talker.call("message", {"type": 2, "payload": payload})


async def described(parley: Parley) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the channel, and the roles of those who take part."""
    channel = (await parley.service.get(f"{API}/channels/{NEW}")).data
    found = (await parley.service.get(f"{API}/channels/{NEW}/participants")).data["participants"]
    return channel, {participant["userId"]: participant["role"] for participant in found}


@pytest.fixture
async def opening(start: Start) -> Parley:
    """Run a node that asks for credentials, and lets messages make channels."""
    return await start(auto_create_channels=True)


async def test_the_first_message_makes_a_group(opening: Parley) -> None:
    """Its author owns it, hears the message, and finds in the metadata what the message said."""
    async with talking(opening.url, {"token": await opening.key(Kind.USER, "ann")}, ELIZA) as ann:
        ack = await send(ann, "ann", metadata={"topic": "tea"})
        assert ack["success"] is True
        (heard,) = await ann.wait_for("messageBroadcast")
    assert (heard["text"], heard["channelId"]) == ("hello", NEW)
    channel, roles = await described(opening)
    assert (channel["name"], channel["type"]) == ("Chat 3c90c3cc", "GROUP")
    assert (channel["sourceType"], channel["serverId"]) == ("auto_created", DEFAULT_SERVER_ID)
    created_at = channel["metadata"].pop("created_at")
    assert created_at.endswith("Z")
    assert channel["metadata"] == {
        "created_by": "socketio_auto_creation",
        "created_for_user": "ann",
        "channel_type": "GROUP",
        "topic": "tea",
    }
    assert roles == {"ann": "owner"}


@pytest.mark.parametrize(
    "stated",
    [
        {"metadata": {"isDm": True, "targetUserId": "bot"}},
        {"metadata": {"channelType": "DM", "recipientId": "bot"}},
        {"metadata": {"channel_type": "DM"}, "targetUserId": "bot"},
    ],
    ids=str,
)
async def test_the_first_message_makes_a_chat_of_two(opening: Parley, stated: dict[str, Any]) -> None:
    """The other one is in it before the message is: an agent is asked at once."""
    await opening.key(Kind.AGENT, "bot")
    await opening.service.get(f"{API}/dm-channel", currentUserId="ann", targetUserId="bot")
    async with talking(opening.url, {"token": await opening.key(Kind.USER, "ann")}, ELIZA) as ann:
        sent = await send(ann, "ann", **stated)
        assert sent["success"] is True, sent
    channel, roles = await described(opening)
    assert (channel["name"], channel["type"]) == ("DM 3c90c3cc", "DM")
    assert roles == {"ann": "owner", "bot": "member"}
    found = await opening.service.get(f"{API}/messages/{sent['data']['messageId']}/runs")
    assert [run["agent_id"] for run in found.data["runs"]] == ["bot"]


@pytest.mark.parametrize("target", ["", "a b", 5, None, "ann"], ids=repr)
async def test_a_chat_without_another_waits_for_one(opening: Parley, target: object) -> None:
    """Whoever is named so that nobody can be meant is not there."""
    async with talking(opening.url, {"token": await opening.key(Kind.USER, "ann")}, ELIZA) as ann:
        sent = await send(ann, "ann", metadata={"isDm": True, "targetUserId": target})
        assert sent["success"] is True, sent
    channel, roles = await described(opening)
    assert (channel["type"], roles) == ("DM", {"ann": "owner"})


async def test_a_second_message_finds_the_channel(opening: Parley) -> None:
    """Of two that are sent at once by one, both are stored, in one channel and in order."""
    async with talking(opening.url, {"token": await opening.key(Kind.USER, "ann")}, ELIZA) as ann:
        for text in ("one", "two"):
            payload = {"senderId": "ann", "message": text, "channelId": NEW}
            await ann.emit("message", {"type": 2, "payload": payload})
        heard = await ann.wait_for("messageBroadcast", 2)
    assert [message["text"] for message in heard] == ["one", "two"]


async def test_a_stranger_gets_nothing_of_it(opening: Parley) -> None:
    """Once it is there, it is a channel like any other."""
    eve = {"token": await opening.key(Kind.USER, "eve")}
    async with talking(opening.url, {"token": await opening.key(Kind.USER, "ann")}, ELIZA) as ann:
        await send(ann, "ann")
        async with talking(opening.url, eve, ELIZA) as stranger:
            refused = await send(stranger, "eve")
    assert refused["error"]["code"] == "RESOURCE_NOT_FOUND"


@pytest.mark.parametrize(
    ("author_id", "fields", "code"),
    [
        ("ben", {}, "PERMISSION_DENIED"),
        ("ann", {"message": "x" * 4_001}, "VALIDATION_ERROR"),
        ("ann", {"message": ""}, "VALIDATION_ERROR"),
        ("ann", {"metadata": {"a b": 1}}, "VALIDATION_ERROR"),
        ("ann", {"messageServerId": NEW}, "RESOURCE_NOT_FOUND"),
    ],
    ids=repr,
)
async def test_a_message_that_is_refused_makes_none(
    opening: Parley, author_id: str, fields: dict[str, Any], code: str
) -> None:
    """What cannot be stored changes nothing."""
    await opening.key(Kind.USER, "ben")
    async with talking(opening.url, {"token": await opening.key(Kind.USER, "ann")}, ELIZA) as ann:
        assert (await send(ann, author_id, **fields))["error"]["code"] == code
    assert (await opening.service.get(f"{API}/channels/{NEW}")).status == 404


async def test_a_key_that_was_used_before_makes_none(opening: Parley) -> None:
    """On either door: the conflict leaves no channel behind, and another key makes it."""
    key = "3c90c3cc-0d44-4b50-8888-000000000001"
    elsewhere = await opening.service.new_channel("elsewhere", "ann")
    assert (await opening.service.submit(elsewhere, author_id="ann", messageId=key)).status == 201
    said = {"content": "hello", "author_id": "ann", "messageId": key}
    refused = await opening.service.post(f"{API}/channels/{NEW}/messages", said)
    assert refused.refusal == (409, "CONFLICT")
    async with talking(opening.url, {"token": await opening.key(Kind.USER, "ann")}, ELIZA) as ann:
        assert (await send(ann, "ann", messageId=key))["error"]["code"] == "CONFLICT"
        assert (await opening.service.get(f"{API}/channels/{NEW}")).status == 404
        assert (await send(ann, "ann", messageId=key[:-1] + "2"))["success"] is True
    assert (await opening.service.get(f"{API}/channels/{NEW}")).status == 200


async def test_an_answer_to_what_is_elsewhere_makes_none(opening: Parley) -> None:
    """A channel that does not exist has no message that could be answered."""
    said = {"content": "hello", "author_id": "ann", "in_reply_to_message_id": NEW}
    refused = await opening.service.post(f"{API}/channels/{NEW}/messages", said)
    assert refused.refusal == (400, "VALIDATION_ERROR")
    assert (await opening.service.get(f"{API}/channels/{NEW}")).status == 404


@pytest.mark.parametrize("channel_id", ["not-a-uuid", "%00", "a%2Fb", "x" * 300])
async def test_what_is_no_uuid_makes_none(opening: Parley, channel_id: str) -> None:
    """Such a channel could be neither followed nor imported."""
    path = f"{API}/channels/{channel_id}/messages"
    refused = await opening.service.post(path, {"content": "hello", "author_id": "ann"})
    assert refused.refusal == (404, "RESOURCE_NOT_FOUND")
    assert (await opening.service.get(path)).status == 404


async def test_who_a_client_makes_up_is_its_user(opening: Parley) -> None:
    """An id that nobody has stands for whoever's key it is, in the new channel too."""
    await opening.key(Kind.AGENT, "bot")
    async with talking(opening.url, {"token": await opening.key(Kind.USER, "ann")}, ELIZA) as ann:
        sent = await send(ann, "made-up", metadata={"isDm": True, "targetUserId": "bot"})
        assert sent["success"] is True, sent
    channel, roles = await described(opening)
    assert channel["metadata"]["created_for_user"] == "ann"
    assert roles == {"ann": "owner", "bot": "member"}


async def test_a_service_needs_the_scope_to_make_one(opening: Parley) -> None:
    """Naming authors is not enough; what may not create channels does not do so by speaking."""
    blind: Rest = await opening.restricted_service(Scope.MESSAGES_WRITE, Scope.MESSAGES_READ)
    async with talking(opening.url, {"token": blind.secret}, ELIZA) as service:
        assert (await send(service, "ann"))["error"]["code"] == "PERMISSION_DENIED"
    assert (await opening.service.get(f"{API}/channels/{NEW}")).status == 404


async def test_joining_makes_no_channel(opening: Parley) -> None:
    """There is nothing to join before somebody has spoken."""
    async with talking(opening.url, {"token": await opening.key(Kind.USER, "ann")}, ELIZA) as ann:
        refused = await ann.call("message", {"type": 1, "payload": {"channelId": NEW}})
    assert refused["error"]["code"] == "RESOURCE_NOT_FOUND"


@pytest.mark.parametrize(
    ("settings", "is_made"),
    [
        ({"auth": "open"}, True),
        ({"auth": "open", "auto_create_channels": False}, False),
        ({}, False),
    ],
    ids=str,
)
async def test_the_operator_decides(start: Start, settings: dict[str, Any], is_made: bool) -> None:
    """Unless told otherwise messages make channels in open mode, and not where credentials are asked for."""
    parley = await start(**settings)
    auth = {"entityId": "ann"} if settings else {"token": await parley.key(Kind.USER, "ann")}
    async with talking(parley.url, auth, ELIZA) as ann:
        assert (await send(ann, "ann"))["success"] is is_made
