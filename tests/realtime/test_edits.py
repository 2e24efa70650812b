"""Editing and deleting over sockets: who hears of it, in which words, and what is refused."""

from typing import Any

import pytest

from rooms.principals import Kind
from tests.rest import API
from tests.running import Parley, Start
from tests.talking import Connect, Talker, talking

NOWHERE = "11111111-2222-3333-4444-555555555555"
SERVER = "3c90c3cc-0d44-4b50-8888-8dd25736052a"


async def say(talker: Talker, channel_id: str, content: str = "hello", **fields: Any) -> dict[str, Any]:
    """Submit a message and return it as stored."""
    stored: dict[str, Any] = await talker.data(
        "submit", {"channel_id": channel_id, "content": content, **fields}
    )
    return stored


async def test_everybody_in_the_channel_hears_of_an_edit(connect: Connect, channel_id: str) -> None:
    """The event is the message as it is now, under a seq of its own; the ack is the message itself."""
    ann, ben = await connect("ann"), await connect("ben")
    message = await say(ann, channel_id, metadata={"a": 1})
    edited = await ann.data("edit", {"message_id": message["id"].upper(), "content": "goodbye"})
    assert edited == {**message, "text": "goodbye", "updated_at": edited["updated_at"]}
    assert edited["updated_at"] >= message["createdAt"]
    for talker in (ann, ben):
        assert await talker.wait_for("message_updated") == [{**edited, "seq": message["seq"] + 1}]
        await talker.settle()
        assert [event for event, _ in talker.heard] == ["ready", "message", "message_updated"]


async def test_everybody_in_the_channel_hears_of_a_deletion(connect: Connect, channel_id: str) -> None:
    """The event names the message and says nothing of what it was; the second deletion is not heard."""
    ann, ben = await connect("ann"), await connect("ben")
    message = await say(ann, channel_id)
    left = {"id": message["id"], "channel_id": channel_id, "deleted": True}
    for _ in range(2):
        assert await ann.data("delete", {"message_id": message["id"]}) == left
    for talker in (ann, ben):
        (event,) = await talker.wait_for("message_deleted")
        assert event == {"seq": message["seq"] + 1, "server_id": message["server_id"], **left}
        await talker.settle()
        assert [event for event, _ in talker.heard] == ["ready", "message", "message_deleted"]


async def test_changes_by_rest_are_heard_on_sockets(
    parley: Parley, connect: Connect, channel_id: str
) -> None:
    """Through whichever door a message is changed, the others hear of it, and strangers do not."""
    ann, eve = await connect("ann"), await connect("eve")
    message = await say(ann, channel_id)
    service = parley.service
    assert (await service.edit(message["id"], "goodbye")).status == 200
    assert (await service.delete(f"{API}/channels/{channel_id}/messages/{message['id']}")).status == 204
    await ann.wait_for("message_deleted")
    assert [event for event, _ in ann.heard] == ["ready", "message", "message_updated", "message_deleted"]
    await eve.settle()
    assert [event for event, _ in eve.heard] == ["ready"]


async def test_an_edit_waits_for_the_message_before_it(connect: Connect, channel_id: str) -> None:
    """Who submits, edits and deletes without waiting for acks is served in that order."""
    ann = await connect("ann")
    own = "aaaaaaaa-0000-0000-0000-000000000001"
    await ann.emit("submit", {"channel_id": channel_id, "content": "hello", "messageId": own})
    await ann.emit("edit", {"message_id": own, "content": "goodbye"})
    assert (await ann.data("delete", {"message_id": own}))["deleted"] is True
    assert [event for event, _ in ann.heard] == ["ready", "message", "message_updated", "message_deleted"]


@pytest.mark.parametrize(
    ("event", "body", "code"),
    [
        ("edit", {"content": "x"}, "VALIDATION_ERROR"),
        ("edit", {"message_id": "own"}, "VALIDATION_ERROR"),
        ("edit", {"message_id": "own", "content": ""}, "VALIDATION_ERROR"),
        ("edit", {"message_id": "own", "content": 5}, "VALIDATION_ERROR"),
        ("edit", {"message_id": "own", "content": None}, "VALIDATION_ERROR"),
        ("edit", {"message_id": "own", "content": "x" * 5_000}, "VALIDATION_ERROR"),
        ("edit", {"message_id": "own", "content": b"bytes"}, "VALIDATION_ERROR"),
        ("edit", {"message_id": "x", "content": "x"}, "VALIDATION_ERROR"),
        ("edit", {"message_id": 5, "content": "x"}, "VALIDATION_ERROR"),
        ("edit", {"message_id": NOWHERE, "content": "x"}, "RESOURCE_NOT_FOUND"),
        ("edit", {"message_id": "foreign", "content": "x"}, "RESOURCE_NOT_FOUND"),
        ("edit", {"message_id": "bens", "content": "x"}, "PERMISSION_DENIED"),
        ("delete", {}, "VALIDATION_ERROR"),
        ("delete", None, "VALIDATION_ERROR"),
        ("delete", "own", "VALIDATION_ERROR"),
        ("delete", {"message_id": None}, "VALIDATION_ERROR"),
        ("delete", {"message_id": ["own"]}, "VALIDATION_ERROR"),
        ("delete", {"message_id": NOWHERE}, "RESOURCE_NOT_FOUND"),
        ("delete", {"message_id": "foreign"}, "RESOURCE_NOT_FOUND"),
        ("delete", {"message_id": "bens"}, "PERMISSION_DENIED"),
    ],
    ids=lambda value: repr(value)[:50],
)
async def test_what_is_refused_changes_nothing(
    parley: Parley, connect: Connect, channel_id: str, event: str, body: Any, code: str
) -> None:
    """The ack has the code, nobody hears of it, and every message stays as it was."""
    elsewhere = await parley.service.new_channel("foreign", "eve")
    ann, ben = await connect("ann"), await connect("ben")
    ids = {
        "own": (await say(ann, channel_id, "anns"))["id"],
        "bens": (await say(ben, channel_id, "bens"))["id"],
        "foreign": (await parley.service.submit(elsewhere, "eves", author_id="eve")).data["id"],
    }
    if isinstance(body, dict) and body.get("message_id") in list(ids):
        body = {**body, "message_id": ids[body["message_id"]]}
    assert await ann.code(event, body) == code
    for talker in (ann, ben):
        await talker.settle()
        assert talker.all("message_updated", "message_deleted") == []
    assert await parley.service.texts(channel_id) == ["anns", "bens"]
    assert await parley.service.texts(elsewhere) == ["eves"]


async def test_a_connection_reaches_the_messages_of_its_own_server(
    parley: Parley, connect: Connect, channel_id: str
) -> None:
    """Over the namespace of another server even an own message does not exist."""
    assert (await parley.service.post(f"{API}/message-servers", {"id": SERVER, "name": "two"})).status == 201
    ann, elsewhere = await connect("ann"), await connect("ann", f"/servers/{SERVER}")
    message_id = (await say(ann, channel_id))["id"]
    for event in ("edit", "delete"):
        body = {"message_id": message_id, "content": "x"}
        assert await elsewhere.code(event, body) == "RESOURCE_NOT_FOUND"
    assert await parley.service.texts(channel_id) == ["hello"]


async def test_changes_take_from_the_users_bucket(start: Start) -> None:
    """Editing and deleting are writes: sixty of both together, and then a refusal."""
    parley = await start(rate_limits="on")
    channel_id = await parley.service.new_channel("talk", "ann")
    message_id = (await parley.service.submit(channel_id, author_id="ann")).data["id"]
    async with talking(parley.url, {"token": await parley.key(Kind.USER, "ann")}) as ann:
        for _ in range(30):
            await ann.call("edit", {"message_id": message_id, "content": "changed"})
            await ann.call("delete", {"message_id": message_id})
        assert await ann.code("delete", {"message_id": message_id}) == "RATE_LIMIT_EXCEEDED"
