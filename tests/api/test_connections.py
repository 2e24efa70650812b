"""The door of the sockets: who is admitted, what is refused, and that every event gets its ack."""

import logging
from typing import Any

import pytest

from rooms import arrivals, messages
from rooms.principals import Kind
from rooms.rules import DEFAULT_SERVER_ID
from tests.rest import API, Reply
from tests.running import Parley
from tests.talking import ELIZA, NATIVE, speaking_by_hand, talking

NOWHERE = "11111111-2222-3333-4444-555555555555"
SERVER = "abcdefab-1111-2222-3333-abcdefabcdef"

NO_GOOD_CREDENTIAL = [None, {}, {"token": "parley_x"}, {"apiKey": "x"}, {"token": 5}, {"entityId": "ann"}]
NO_PACKETS = [
    '0{ns}"text"',
    "0{ns}[]",
    "0{ns}true",
    "0{ns}{{",
    "2{ns}",
    "2{ns}[]",
    "2{ns}[null]",
    "2{ns}[{{}}]",
    '2{ns}[["submit"],{{}}]',
    "2{ns}{{}}",
    '2{ns}"submit"',
    "2{ns}1[",
    "3{ns}[]",
    '4{ns}{{"message":"x"}}',
    "51-{ns}[]",
    "511-{ns}[]",
    '599999-{ns}["x"]',
    '5{ns}["x"]',
    "7{ns}",
    "x",
    "",
]


@pytest.mark.parametrize("namespace", [NATIVE, ELIZA])
async def test_a_handshake_without_a_good_credential_is_refused(parley: Parley, namespace: str) -> None:
    """The refusal is ``connect_error`` with message and code, and the client hears nothing else."""
    async with speaking_by_hand(parley.url, namespace) as socket:
        for auth in NO_GOOD_CREDENTIAL:
            assert await socket.connect(auth) == {
                "message": "Invalid or missing authorization token",
                "data": {"code": "AUTHENTICATION_FAILED", "details": "Bearer token not provided or invalid"},
            }
        # Nothing of the refused ones is left: the connection may try again.
        assert "sid" in await socket.connect({"token": parley.service_key})
        await socket.settle()
        assert [packet[:2] for packet in socket.received[1:]].count("44") == len(NO_GOOD_CREDENTIAL)


@pytest.mark.parametrize(
    ("namespace", "message"),
    [
        (f"/servers/{NOWHERE}", "Message server not found"),
        ("/servers/x", "Message server not found"),
        ("/servers/", "Invalid namespace"),
        (f"/servers/{DEFAULT_SERVER_ID}/more", "Invalid namespace"),
        (f"/server/{DEFAULT_SERVER_ID}", "Invalid namespace"),
        ("/admin", "Invalid namespace"),
        ("/" + "x" * 200, "Invalid namespace"),
    ],
    ids=lambda value: value[:40],
)
async def test_a_namespace_that_is_no_servers_is_refused(
    parley: Parley, namespace: str, message: str
) -> None:
    """An unknown server and a malformed name are refused with a code; the transport lives on."""
    async with speaking_by_hand(parley.url, namespace) as socket:
        refused = await socket.connect({"token": parley.service_key})
        assert refused["message"] == message
        assert refused["data"]["code"] == "RESOURCE_NOT_FOUND"
        assert len(str(refused)) < 500


async def test_a_strangers_namespace_is_refused_before_it_is_looked_up(parley: Parley) -> None:
    """Who has no credential does not learn which servers there are."""
    answers = []
    for server_id in (DEFAULT_SERVER_ID, NOWHERE):
        async with speaking_by_hand(parley.url, f"/servers/{server_id}") as socket:
            answers.append(await socket.connect({}))
    assert answers[0] == answers[1]


async def test_one_transport_may_talk_to_several_servers(parley: Parley) -> None:
    """Its namespaces are independent: each hears its own server, and may be left alone."""
    body = {"name": "two", "id": SERVER}
    assert (await parley.service.post(f"{API}/message-servers", body)).status == 201
    channels = {
        NATIVE: await parley.service.new_channel("one", "ann"),
        f"/servers/{SERVER}": await parley.service.new_channel("two", "ann", serverId=SERVER),
    }
    auth = {"token": await parley.key(Kind.USER, "ann")}

    async def say(text: str) -> list[str]:
        """Say something in each server; return in which namespaces it was heard."""
        for channel_id in channels.values():
            await parley.service.submit(channel_id, text, author_id="ann")
        await socket.settle()
        return [packet[2:].partition(",")[0] for packet in socket.received if f'"text":"{text}"' in packet]

    async with speaking_by_hand(parley.url) as socket:
        for namespace in channels:
            assert "sid" in await socket.connect(auth, namespace)
        assert await say("to both") == list(channels)
        await socket.send(f"41/servers/{SERVER},")
        await socket.settle()
        assert await say("to one") == [NATIVE]
        assert "sid" in await socket.connect(auth, f"/servers/{SERVER}")
        assert await say("to both again") == list(channels)


async def test_a_namespace_may_be_spelled_in_capitals(parley: Parley) -> None:
    """Clients of one server hear each other, however each has written the server's id."""
    body = {"name": "two", "id": SERVER}
    assert (await parley.service.post(f"{API}/message-servers", body)).status == 201
    channel_id = await parley.service.new_channel("talk", "ann", serverId=SERVER)
    auth = {"token": await parley.key(Kind.USER, "ann")}
    async with (
        talking(parley.url, auth, f"/servers/{SERVER}") as small,
        talking(parley.url, auth, f"/servers/{SERVER.upper()}") as capital,
    ):
        await parley.service.submit(channel_id, "hello", author_id="ann")
        for talker in (small, capital):
            await talker.settle()
            assert [message["text"] for message in talker.all("message")] == ["hello"]


RESERVED = [
    "connect",
    "disconnect",
    "connect_error",
    "disconnecting",
    "error",
    "newListener",
    "removeListener",
]


@pytest.mark.parametrize("namespace", [NATIVE, ELIZA])
async def test_reserved_names_do_nothing(parley: Parley, namespace: str) -> None:
    """An event with a name of the protocol's own is answered by an error and changes nothing."""
    channel_id = await parley.service.new_channel("talk", "ann")
    async with speaking_by_hand(parley.url, namespace) as socket:
        await socket.connect({"token": await parley.key(Kind.USER, "ann")})
        for name in RESERVED:
            for payload in ("{}", '{"token": "parley_x"}', '"transport close"', "null"):
                ack = await socket.event(f'["{name}",{payload}]')
                assert (ack["success"], ack["error"]["code"]) == (False, "VALIDATION_ERROR")
        # Who it is and what it hears are as before.
        event = f'["submit",{{"channel_id":"{channel_id}","content":"x"}}]'
        if namespace == ELIZA:
            event = f'["message",{{"type":2,"payload":{{"channelId":"{channel_id}","message":"x"}}}}]'
        assert (await socket.event(event))["success"] is True
    assert await parley.service.texts(channel_id) == ["x"]


@pytest.mark.parametrize("namespace", [NATIVE, ELIZA])
async def test_every_event_that_cannot_be_served_gets_an_error_for_its_ack(
    parley: Parley, namespace: str
) -> None:
    """Unknown names, and known ones with a payload of the wrong form, are acknowledged; nothing hangs."""
    async with speaking_by_hand(parley.url, namespace) as socket:
        await socket.connect({"token": parley.service_key})
        for arguments in (
            '["nothing",{}]',
            '["",{}]',
            '["__init__"]',
            '["Submit",{}]',
            "[5,{}]",
            '["submit"]',
            '["join",null]',
            '["typing",[]]',
            '["message"]',
            '["message",{"type":true}]',
            '["message",{"type":3,"payload":{}}]',
            '["message",{"type":1}]',
            '["message",{"type":{}}]',
            '["2",5]',
        ):
            ack = await socket.event(arguments)
            assert (ack["success"], ack["error"]["code"]) == (False, "VALIDATION_ERROR"), arguments


@pytest.mark.parametrize("namespace", [NATIVE, ELIZA])
async def test_what_is_no_packet_closes_its_connection_alone(parley: Parley, namespace: str) -> None:
    """A client that does not speak the protocol is closed at once; others are served."""
    auth = {"token": parley.service_key}
    async with talking(parley.url, auth, namespace) as bystander:
        for packet in NO_PACKETS:
            async with speaking_by_hand(parley.url, namespace) as socket:
                if not packet.startswith("0"):
                    await socket.connect(auth)
                written = packet.format(ns="" if namespace == ELIZA else f"{namespace},")
                assert await socket.is_closed_for(f"4{written}"), packet
            await bystander.settle()


async def test_an_event_that_wants_no_ack_gets_none(parley: Parley) -> None:
    """Without an ack id the event is handled all the same, and nothing is answered."""
    channel_id = await parley.service.new_channel("talk", "ann")
    async with talking(parley.url, {"token": await parley.key(Kind.USER, "ann")}) as ann:
        await ann.emit("submit", {"channel_id": channel_id, "content": "no ack"})
        await ann.emit("nothing", {})
        (message,) = await ann.wait_for("message")
        assert message["text"] == "no ack"


async def test_a_failing_handler_costs_one_ack(
    parley: Parley, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of the server's own is INTERNAL_ERROR in the ack, and the connection lives on."""
    channel_id = await parley.service.new_channel("talk", "ann")
    secret = await parley.key(Kind.USER, "ann")
    native = {"channel_id": channel_id, "content": "x"}
    elizas = {"type": 2, "payload": {"channelId": channel_id, "message": "x"}}

    async def break_down(*_arguments: object) -> None:
        raise RuntimeError("the inside of the server")

    async with (
        talking(parley.url, {"token": secret}) as ann,
        talking(parley.url, {"token": secret}, ELIZA) as foreign,
    ):
        for talker, event, payload in ((ann, "submit", native), (foreign, "message", elizas)):
            with monkeypatch.context() as broken:
                broken.setattr(messages, "begin", break_down)
                ack = await talker.call(event, payload)
            assert ack["error"]["code"] == "INTERNAL_ERROR"
            assert "inside" not in str(ack)
            assert (await talker.call(event, payload))["success"] is True
    failures = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.name for record in failures] == ["parley.events", "parley.eliza"]


@pytest.mark.parametrize("namespace", [NATIVE, ELIZA])
async def test_who_is_removed_while_it_connects_hears_nothing(
    parley: Parley, monkeypatch: pytest.MonkeyPatch, namespace: str
) -> None:
    """A removal counts from its commit on, also for a connection that is just being let in."""
    channel_id = await parley.service.new_channel("talk", "ann", "ben")
    find = arrivals.find
    removals: list[Reply] = []

    async def find_and_lose(*arguments: Any) -> Any:
        found = await find(*arguments)
        if not removals:
            removals.append(await parley.service.remove(channel_id, "ben"))
        return found

    auth = {"token": await parley.key(Kind.USER, "ben")}
    with monkeypatch.context() as slow:
        slow.setattr(arrivals, "find", find_and_lose)
        async with talking(parley.url, auth, namespace) as ben:
            await parley.service.submit(channel_id, "among us", author_id="ann")
            await ben.settle()
            assert ben.all("message", "messageBroadcast") == []
    assert [reply.status for reply in removals] == [200]
