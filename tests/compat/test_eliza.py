"""elizaOS's dialect on ``/``: its clients get what they know, and what they lack beside it."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from rooms.principals import Kind
from rooms.rules import DEFAULT_SERVER_ID
from tests.rest import API
from tests.running import Parley, Start
from tests.talking import ELIZA, NATIVE, Talker, talking

NOWHERE = "11111111-2222-3333-4444-555555555555"
SERVER = "3c90c3cc-0d44-4b50-8888-8dd25736052a"

Connect = Callable[..., Any]


@pytest.fixture
async def connect(parley: Parley) -> AsyncIterator[Connect]:
    """Give a function that connects a user by its id as elizaOS's clients do."""
    async with AsyncExitStack() as stack:

        async def connect_user(who: str, namespace: str = ELIZA, **auth: str) -> Talker:
            secret = await parley.key(Kind.USER, who)
            shown = {"apiKey": secret, "entityId": who, **auth}
            return await stack.enter_async_context(talking(parley.url, shown, namespace))

        yield connect_user


@pytest.fixture
async def channel_id(parley: Parley) -> str:
    """Give a channel of two users."""
    return await parley.service.new_channel("talk", "ann", "ben")


def payload(channel_id: str, **fields: Any) -> dict[str, Any]:
    """Return what the official web client sends, with these fields changed; None leaves one out."""
    everything = {
        "senderId": "ann",
        "senderName": "user",
        "message": "hello",
        "channelId": channel_id,
        "roomId": channel_id,
        "messageServerId": DEFAULT_SERVER_ID,
        "messageId": "local-1",
        "source": "client_chat",
        "attachments": [],
        "metadata": {"channelType": "DM", "isDm": True, "targetUserId": "ben"},
        **fields,
    }
    return {name: value for name, value in everything.items() if value is not None}


async def send(talker: Talker, channel_id: str, **fields: Any) -> Any:
    """Send a message and return the ack."""
    return await talker.call("message", {"type": 2, "payload": payload(channel_id, **fields)})


async def test_a_new_connection_is_greeted(connect: Connect) -> None:
    """``connection_established`` and ``authenticated`` come first, as elizaOS sends them."""
    ann = await connect("ann")
    await ann.settle()
    assert [event for event, _ in ann.heard] == [
        "connection_established",
        "authenticated",
        "messageError",  # for the event that settles
    ]
    assert ann.all("connection_established")[0]["socketId"]
    (authenticated,) = ann.all("authenticated")
    assert authenticated["entityId"] == "ann"
    assert type(authenticated["timestamp"]) is int


@pytest.mark.parametrize("form", ["message", "1"])
@pytest.mark.parametrize("field", ["channelId", "roomId"])
async def test_a_room_is_joined_in_each_form(
    connect: Connect, channel_id: str, form: str, field: str
) -> None:
    """``message {type: 1}`` and ``1`` do the same; both confirmations and the ack say so."""
    ann = await connect("ann")
    body = {field: channel_id, "entityId": "ann"}
    ack = await ann.call(form, {"type": 1, "payload": body} if form == "message" else body)
    assert ack["success"] is True
    (joined,), (room,) = await ann.wait_for("channel_joined"), await ann.wait_for("room_joined")
    assert joined == room == ack["data"]
    assert (joined["channelId"], joined["roomId"]) == (channel_id, channel_id)
    assert "successfully joined channel" in joined["message"]


async def test_the_senders_own_copy_names_its_message(connect: Connect, channel_id: str) -> None:
    """The sender's copy carries clientMessageId; the others', and its own other tab's, do not."""
    ann, tab, ben = await connect("ann"), await connect("ann"), await connect("ben")
    ack = await send(ann, channel_id)
    (own,) = await ann.wait_for("messageBroadcast")
    assert own["clientMessageId"] == "local-1"
    for talker in (tab, ben):
        (heard,) = await talker.wait_for("messageBroadcast")
        assert "clientMessageId" not in heard
        assert {**heard, "clientMessageId": "local-1"} == own
    (confirmed,) = await ann.wait_for("messageAck")
    assert confirmed == {
        "clientMessageId": "local-1",
        "messageId": own["id"],
        "status": "received_by_server_and_processing",
        "channelId": channel_id,
        "roomId": channel_id,
    }
    assert ack["data"] == {**confirmed, "seq": own["seq"]}
    for talker in (tab, ben):
        await talker.settle()
        assert talker.all("messageAck") == []


async def test_a_broadcast_has_the_fields_that_the_web_client_reads(
    connect: Connect, channel_id: str
) -> None:
    """Ids, names, text, room, server in each spelling, time in milliseconds, source and attachments."""
    ann, ben = await connect("ann"), await connect("ben")
    attachments = [{"url": "https://example.com/a.png", "contentType": "image", "id": "1", "title": "A"}]
    await send(ann, channel_id, attachments=attachments, metadata={"thought": "hm", "actions": ["REPLY"]})
    (heard,) = await ben.wait_for("messageBroadcast")
    assert (heard["senderId"], heard["senderName"], heard["text"]) == ("ann", "ann", "hello")
    assert (heard["channelId"], heard["roomId"]) == (channel_id, channel_id)
    assert {heard["serverId"], heard["messageServerId"]} == {DEFAULT_SERVER_ID}
    assert heard["createdAt"] > 10**12
    assert (heard["source"], heard["attachments"]) == ("client_chat", attachments)
    assert (heard["thought"], heard["actions"]) == ("hm", ["REPLY"])


async def test_a_registered_name_is_not_overridden(parley: Parley, connect: Connect, channel_id: str) -> None:
    """Who has a name of its own is called by it, whatever the client calls itself."""
    auth = {"token": await parley.key(Kind.USER, "zoe", "Zoe Smith")}
    await parley.service.add(channel_id, "zoe")
    ben = await connect("ben")
    async with talking(parley.url, auth, ELIZA) as zoe:
        await send(zoe, channel_id, senderId="zoe", senderName="admin")
    assert (await ben.wait_for("messageBroadcast"))[0]["senderName"] == "Zoe Smith"


def spoken(form: str, kind: int, payload: dict[str, Any]) -> tuple[str, Any]:
    """Return an event and its argument, with JSON in the place of an object."""
    inner = json.dumps(payload)
    if form == "short":
        return str(kind), inner
    return "message", {"type": kind, "payload": inner} if form == "inner" else json.dumps(
        {"type": kind, "payload": payload}
    )


@pytest.mark.parametrize("form", ["message", "short", "inner"])
async def test_a_payload_may_be_json(connect: Connect, channel_id: str, form: str) -> None:
    """Clients that send the JSON of an object, in place of the object, are understood in every form."""
    ann, ben = await connect("ann"), await connect("ben")
    said = {"channelId": channel_id, "message": "hello", "senderId": "ann"}
    for kind, told in ((1, {"roomId": channel_id}), (2, said)):
        ack = await ann.call(*spoken(form, kind, told))
        assert ack["success"] is True, ack
    assert (await ben.wait_for("messageBroadcast"))[0]["text"] == "hello"
    for broken in ('{"type": 2', "hello", '"message"', "[]", "NaN"):
        refused = await ann.call("message", broken)
        assert (refused["success"], refused["error"]["code"]) == (False, "VALIDATION_ERROR")


async def test_who_joins_for_an_agent_is_told_so(connect: Connect, channel_id: str) -> None:
    """The agent that a client names is in both answers."""
    ann = await connect("ann")
    await ann.call("message", {"type": 1, "payload": {"roomId": channel_id, "agentId": "bot"}})
    for name in ("channel_joined", "room_joined"):
        (told,) = await ann.wait_for(name)
        assert (told["channelId"], told["roomId"], told["agentId"]) == (channel_id, channel_id, "bot")


async def test_typing_is_told_in_both_dialects(connect: Connect, channel_id: str) -> None:
    """Others in the channel hear of it in their own words, and the connection says whose it is."""
    ann, ben = await connect("ann"), await connect("ben")
    native = await connect("ben", NATIVE)
    ack = await ann.call("typing", {"roomId": channel_id, "userId": "zoe", "isTyping": True})
    assert ack == {"success": True, "data": {"channelId": channel_id, "roomId": channel_id}}
    told = {"channelId": channel_id, "roomId": channel_id, "userId": "ann", "isTyping": True}
    assert await ben.wait_for("userTyping") == [told]
    assert await native.wait_for("typing") == [{"channel_id": channel_id, "userId": "ann", "is_typing": True}]
    await native.data("typing", {"channel_id": channel_id, "is_typing": False})
    assert await ann.wait_for("userTyping") == [told | {"userId": "ben", "isTyping": False}]
    await native.settle()
    assert len(native.all("typing")) == 1
    assert native.all("userTyping") == ann.all("typing") == []


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({}, "VALIDATION_ERROR"),
        ({"roomId": "x"}, "VALIDATION_ERROR"),
        ({"roomId": NOWHERE}, "RESOURCE_NOT_FOUND"),
        ({"roomId": NOWHERE, "isTyping": "yes"}, "VALIDATION_ERROR"),
        ("{", "VALIDATION_ERROR"),
    ],
)
async def test_bad_typing_is_refused(connect: Connect, payload: Any, code: str) -> None:
    """``messageError`` says so, as of anything else; nobody hears of it."""
    ann, ben = await connect("ann"), await connect("ben")
    refused = await ann.call("typing", payload)
    assert (refused["success"], refused["error"]["code"]) == (False, code)
    assert len(await ann.wait_for("messageError")) == 1
    await ben.settle()
    assert ben.all("userTyping") == []


async def test_both_dialects_hear_the_same_messages(connect: Connect, channel_id: str) -> None:
    """What is said on ``/`` is heard on the native namespace and the reverse, in one order."""
    ann, native, foreign = await connect("ann"), await connect("ben", NATIVE), await connect("ben")
    for n in range(5):
        await send(ann, channel_id, message=f"{n} foreign", messageId=None)
        await native.data("submit", {"channel_id": channel_id, "content": f"{n} native"})
    heard = [
        (message["seq"], message["id"], message["text"]) for message in await native.wait_for("message", 10)
    ]
    for talker in (ann, foreign):
        copies = await talker.wait_for("messageBroadcast", 10)
        assert [(copy["seq"], copy["id"], copy["text"]) for copy in copies] == heard
    assert [text for _, _, text in heard] == [f"{n} {way}" for n in range(5) for way in ("foreign", "native")]


async def test_a_message_by_rest_is_broadcast(parley: Parley, connect: Connect, channel_id: str) -> None:
    """An agent's reply that comes through POST /submit reaches the web client under its own id."""
    ann = await connect("ann")
    body = {
        "channel_id": channel_id,
        "message_server_id": DEFAULT_SERVER_ID,
        "author_id": "bot",
        "content": "hi",
        "source_type": "agent_response",
        "raw_message": {"text": "hi"},
        "metadata": {"agent_name": "Helper", "thought": "easy"},
    }
    stored = (await parley.service.in_elizas_dialect().post(f"{API}/submit", body)).data
    (heard,) = await ann.wait_for("messageBroadcast")
    assert (heard["id"], heard["senderId"], heard["senderName"]) == (stored["id"], "bot", "Helper")
    assert (heard["thought"], heard["rawMessage"]) == ("easy", {"text": "hi"})


async def test_an_edit_is_a_broadcast_of_the_same_message(
    parley: Parley, connect: Connect, channel_id: str
) -> None:
    """Everything but the text is as it was first broadcast, with the time of the edit beside it."""
    ann, ben = await connect("ann"), await connect("ben")
    for fields in (
        {"attachments": [{"url": "https://example.com/a.png", "contentType": "image"}], "senderName": "Ann"},
        {"metadata": {"thought": "hm", "actions": ["REPLY"]}, "messageId": None},
    ):
        message_id = (await send(ann, channel_id, **fields))["data"]["messageId"]
        stored = (await parley.service.edit(message_id, "goodbye")).data
        for talker in (ann, ben):
            await talker.settle()
            first, again = talker.all("messageBroadcast")[-2:]
            expected = {
                **first,
                "seq": first["seq"] + 1,
                "text": "goodbye",
                "updatedAt": stored["updated_at"],
            }
            expected.pop("clientMessageId", None)
            assert again == expected


async def test_an_edit_of_an_agents_reply_keeps_its_name(
    parley: Parley, connect: Connect, channel_id: str
) -> None:
    """Who relays an agent under a name of its choice is called by it in the second broadcast, too."""
    ann = await connect("ann")
    body = {"author_id": "bot", "source_type": "agent_response", "raw_message": {"text": "hi"}}
    first = (await parley.service.submit(channel_id, **body, metadata={"agent_name": "Helper"})).data
    second = (await parley.service.submit(channel_id, **body, in_reply_to_message_id=first["id"])).data
    for message in (first, second):
        assert (await parley.service.edit(message["id"], "goodbye")).status == 200
    *said, one, other = await ann.wait_for("messageBroadcast", 4)
    assert [one["senderName"], other["senderName"]] == [message["senderName"] for message in said]
    assert one["senderName"] == "Helper"
    assert other["inReplyToMessageId"] == first["id"]
    assert one["rawMessage"] == {"text": "hi"}


async def test_a_deletion_names_the_message(parley: Parley, connect: Connect, channel_id: str) -> None:
    """``messageDeleted`` has the ids that elizaOS's clients look for, and is sent once."""
    ann, ben = await connect("ann"), await connect("ben")
    acked = (await send(ann, channel_id))["data"]
    client = parley.service.in_elizas_dialect()
    for _ in range(2):
        gone = await client.delete(f"{API}/channels/{channel_id}/messages/{acked['messageId']}")
        assert gone.status == 204
    told = {"messageId": acked["messageId"], "channelId": channel_id, "seq": acked["seq"] + 1}
    for talker in (ann, ben):
        assert await talker.wait_for("messageDeleted") == [told]
        await talker.settle()
        assert len(talker.all("messageDeleted")) == 1


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"senderId": "ben"}, "PERMISSION_DENIED"),
        ({"channelId": NOWHERE}, "RESOURCE_NOT_FOUND"),
        ({"messageServerId": NOWHERE}, "RESOURCE_NOT_FOUND"),
        ({"channelId": "x"}, "VALIDATION_ERROR"),
        ({"channelId": None, "roomId": None}, "VALIDATION_ERROR"),
        ({"message": None}, "VALIDATION_ERROR"),
        ({"message": ""}, "VALIDATION_ERROR"),
        ({"message": "x" * 4_001}, "VALIDATION_ERROR"),
        ({"message": {"text": "x"}}, "VALIDATION_ERROR"),
        ({"attachments": "x"}, "VALIDATION_ERROR"),
        ({"metadata": {"a b": 1}}, "VALIDATION_ERROR"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_is_refused_is_told_twice(
    parley: Parley, connect: Connect, channel_id: str, fields: dict[str, Any], code: str
) -> None:
    """``messageError`` reaches clients that know no acks, the ack has the code, nobody hears anything."""
    ann, ben = await connect("ann"), await connect("ben")
    ack = await send(ann, channel_id, **fields)
    assert (ack["success"], ack["error"]["code"]) == (False, code)
    (error,) = await ann.wait_for("messageError")
    assert error == {"error": f"{ack['error']['message']}: {ack['error']['details']}"}
    assert ann.all("messageAck") == []
    await ben.settle()
    assert ben.all("messageBroadcast") == []
    assert await parley.service.texts(channel_id) == []


async def test_whoever_is_refused_may_write_again(connect: Connect, channel_id: str) -> None:
    """The web client, which shows no ``messageError``, is told to let its user write; nobody else is."""
    ann, ben = await connect("ann"), await connect("ben")
    for fields in ({"message": ""}, {"senderId": "ben"}, {"message": "", "channelId": None}):
        assert (await send(ann, channel_id, **fields))["success"] is False
    assert (
        await ann.wait_for("controlMessage", 3)
        == [{"action": "enable_input", "channelId": channel_id, "roomId": channel_id}] * 3
    )
    assert (await send(ann, channel_id, channelId=None, roomId=5))["success"] is False
    assert (await ann.call("message", {"type": 1, "payload": {"channelId": NOWHERE}}))["success"] is False
    assert (await send(ann, channel_id))["success"] is True
    for talker in (ann, ben):
        await talker.settle()
    assert (len(ann.all("controlMessage")), ben.all("controlMessage")) == (3, [])


async def test_a_strangers_room_is_not_joined(connect: Connect, channel_id: str) -> None:
    """Joining somebody else's room fails like joining one that does not exist."""
    eve = await connect("eve")
    for wanted in (channel_id, NOWHERE):
        ack = await eve.call("message", {"type": 1, "payload": {"channelId": wanted, "entityId": "ann"}})
        assert ack["error"]["code"] == "RESOURCE_NOT_FOUND"
    errors = await eve.wait_for("messageError", 2)
    assert errors[0]["error"].replace(channel_id, NOWHERE) == errors[1]["error"]
    assert eve.all("channel_joined") == eve.all("room_joined") == []


async def test_the_handshake_may_name_another_server(parley: Parley, connect: Connect) -> None:
    """With ``auth.serverId`` the root namespace is that server."""
    body = {"id": SERVER, "name": "two"}
    assert (await parley.service.post(f"{API}/message-servers", body)).status == 201
    channel_id = await parley.service.new_channel("talk", "ann", serverId=SERVER)
    ann, elsewhere = await connect("ann", serverId=SERVER.upper()), await connect("ann")
    assert (await send(ann, channel_id, messageServerId=SERVER))["success"] is True
    (heard,) = await ann.wait_for("messageBroadcast")
    assert heard["messageServerId"] == SERVER
    await elsewhere.settle()
    assert elsewhere.all("messageBroadcast") == []


async def test_a_client_without_any_auth_is_served_in_open_mode(start: Start) -> None:
    """Old clients connect without a handshake and name the sender in each message."""
    parley = await start(auth="open")
    channel_id = await parley.anonymous.new_channel("talk", "ann")
    async with talking(parley.url, None, ELIZA) as client:
        joined = await client.call("1", {"roomId": channel_id, "entityId": "ann"})
        assert joined["success"] is True
        ack = await client.call("2", payload(channel_id, messageServerId=None))
        assert ack["success"] is True
        assert (await client.wait_for("messageBroadcast"))[0]["senderId"] == "ann"
