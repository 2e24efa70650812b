"""What is wrong is refused alike by every door; nothing is stored and nobody hears of it."""

import asyncio
from typing import Any

import pytest

from rooms import store
from rooms.principals import Kind
from rooms.rules import DEFAULT_SERVER_ID
from tests.api.bad_input import BAD, MALFORMED, MARKER, STATUS, TOO_LARGE, Bad, nested
from tests.rest import API, Rest
from tests.running import Parley
from tests.talking import ELIZA, NATIVE, ByHand, speaking_by_hand, talking

JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def channel_id(parley: Parley) -> str:
    """Give a channel of two users."""
    return await parley.service.new_channel("talk", "ann", "ben")


async def post(client: Rest, body: str | bytes) -> tuple[int, str]:
    """Submit a body as it stands; return status and code of the refusal."""
    raw = body.encode() if isinstance(body, str) else body
    return (await client.request("POST", f"{API}/submit", data=raw, headers=JSON)).refusal


async def newest(parley: Parley) -> int:
    """Return the seq of the default server's newest event."""
    database = parley.node.ctx.database
    found = await database.read(lambda connection: store.servers.find(connection, [DEFAULT_SERVER_ID]))
    return found[DEFAULT_SERVER_ID].seq


async def assert_nothing_happened(parley: Parley, channel_id: str, before: int) -> None:
    """Check that neither the log nor the channel has grown."""
    assert await newest(parley) == before
    assert (await parley.service.history(channel_id)).data["pagination"]["total"] == 0


def name(bad: Bad) -> str:
    """Return what a failing test calls the case."""
    return f"{bad.field}: {bad.raw if bad.raw is None else bad.raw[:60]}"


async def test_a_bad_message_is_refused_by_every_door_alike(parley: Parley, channel_id: str) -> None:
    """REST, a batch, and acks of both kinds of socket answer with the same code, and nobody hears it."""
    before, ann = await newest(parley), await parley.user("ann")
    auth = {"token": ann.secret}
    outcomes: dict[str, dict[str, Any]] = {}
    async with (
        talking(parley.url, {"token": await parley.key(Kind.USER, "ben")}) as ben,
        speaking_by_hand(parley.url, NATIVE) as native,
        speaking_by_hand(parley.url, ELIZA) as foreign,
    ):
        await native.connect(auth)
        await foreign.connect(auth)
        for bad in BAD:
            body = bad.native(channel_id)
            outcome = outcomes[name(bad)] = {"code": bad.code, "REST": await post(ann, body)}
            outcome["native"] = await native.event(f'["submit",{body}]')
            (outcome["batch"],) = (await native.event(f'["submit_many",{{"messages":[{body}]}}]'))["data"]
            if payload := bad.elizas(channel_id):
                outcome["eliza"] = await foreign.event(f'["message",{{"type":2,"payload":{payload}}}]')
        await ben.settle()
        assert [event for event, _ in ben.heard] == ["ready"]
    for case, outcome in outcomes.items():
        code = outcome.pop("code")
        assert outcome.pop("REST") == (STATUS[code], code), case
        for door, ack in outcome.items():
            assert (ack["success"], ack.get("error", {}).get("code")) == (False, code), (case, door)
            assert set(ack["error"]) == {"code", "message", "details"}, (case, door)
    await assert_nothing_happened(parley, channel_id, before)


async def test_an_integer_that_cannot_be_kept_is_refused_by_every_door(
    parley: Parley, channel_id: str
) -> None:
    """What needs more than 64 bits is refused rather than rounded."""
    ann = await parley.user("ann")
    async with speaking_by_hand(parley.url, NATIVE) as socket:
        await socket.connect({"token": ann.secret})
        for bad in TOO_LARGE:
            body = bad.native(channel_id)
            assert await post(ann, body) == (400, "VALIDATION_ERROR"), name(bad)
            assert (await socket.event(f'["submit",{body}]'))["success"] is False, name(bad)


async def test_a_refusal_does_not_repeat_the_content(parley: Parley, channel_id: str) -> None:
    """What is wrong with a message is said without quoting it, since answers end up in logs."""
    ann = await parley.user("ann")
    for bad in BAD:
        body = bad.native(channel_id).encode()
        reply = await ann.request("POST", f"{API}/submit", data=body, headers=JSON)
        assert MARKER.encode() not in reply.raw, name(bad)
        assert len(reply.error["details"]) < 300, name(bad)


@pytest.mark.parametrize("case", MALFORMED)
async def test_what_is_no_json_is_refused_and_the_server_stays_usable(
    parley: Parley, channel_id: str, case: str
) -> None:
    """REST answers 400; on a socket, where no ack can be given, others and the sender can go on."""
    before, ann = await newest(parley), await parley.user("ann")
    body = MALFORMED[case].replace("%s", channel_id)
    assert await post(ann, body) == (400, "VALIDATION_ERROR")
    async with speaking_by_hand(parley.url, NATIVE) as socket:
        await socket.connect({"token": ann.secret})
        await socket.send(f'42{NATIVE},1["submit",{body}]')
        await assert_lives_on_or_is_closed(socket)
        assert not [packet for packet in socket.received if MARKER in packet]
    await assert_nothing_happened(parley, channel_id, before)
    assert (await ann.submit(channel_id)).status == 201


async def assert_lives_on_or_is_closed(socket: ByHand) -> None:
    """Check that a connection is either served or closed, but not left hanging."""
    try:
        await asyncio.wait_for(socket.settle(), 10)
    except (AssertionError, ConnectionError):
        assert socket.is_closed


@pytest.mark.parametrize(
    "raw", [b"\xed\xa0\x80", b"\xff", b"\xc0\x80", b"\xf8\x88\x80\x80\x80", b"\xe2\x82"], ids=bytes.hex
)
async def test_bytes_that_are_no_text_are_refused(parley: Parley, channel_id: str, raw: bytes) -> None:
    """Encoded surrogates, overlong forms and cut sequences are 400; a socket that sends them is closed."""
    before, ann = await newest(parley), await parley.user("ann")
    body = b'{"channel_id":"%s","content":"%s"}' % (channel_id.encode(), raw)
    assert await post(ann, body) == (400, "VALIDATION_ERROR")
    async with speaking_by_hand(parley.url, NATIVE) as socket:
        await socket.connect({"token": ann.secret})
        await socket.send(f'42{NATIVE},1["submit",'.encode() + body + b"]")
        await assert_lives_on_or_is_closed(socket)
    await assert_nothing_happened(parley, channel_id, before)
    assert (await ann.submit(channel_id)).status == 201


async def test_a_repeated_key_means_its_last_value_on_every_door(parley: Parley, channel_id: str) -> None:
    """JSON with a key twice is read in one way only, so that no two parts of a system see two messages."""
    ann = await parley.user("ann")
    body = f'{{"channel_id":"{channel_id}","content":"first","content":"last"}}'
    reply = await ann.request("POST", f"{API}/submit", data=body.encode(), headers=JSON)
    assert reply.data["text"] == "last"
    async with speaking_by_hand(parley.url, NATIVE) as socket:
        await socket.connect({"token": ann.secret})
        assert (await socket.event(f'["submit",{body}]'))["data"]["text"] == "last"


async def test_what_is_just_within_the_limits_is_accepted(parley: Parley, channel_id: str) -> None:
    """The largest and deepest of everything is stored and comes back unchanged."""
    ann = await parley.user("ann")
    most: dict[str, Any] = {
        "content": "x" * 4_000,
        "messageId": "k" * 128,
        "source_type": "s" * 256,
        "metadata": {"a": {"b": {"c": {"d": {}}}}, "-_aZ09": ["x" * (16_384 - 60)]},
        "raw_message": {"any key": "x" * 65_000, "deep": {}, "big": 2**63, "small": -(2**63), "null": None},
        "attachments": [
            {
                "url": "https://example.com/a",
                "contentType": "image/png",
                "size": 2_621_440,
                "extra": {"a": [1]},
            }
        ]
        * 10,
    }
    reply = await ann.post(f"{API}/submit", {"channel_id": channel_id, **most})
    stored = reply.data
    for field in set(most) - {"content", "messageId"}:
        assert stored[field] == most[field], field
    (read,) = (await ann.history(channel_id)).data["messages"]
    assert read == stored
    for field, levels in (("metadata", 5), ("raw_message", 20)):
        body = f'{{"channel_id":"{channel_id}","content":"x","{field}":{nested(levels)}}}'
        assert (await ann.request("POST", f"{API}/submit", data=body, headers=JSON)).status == 201


@pytest.mark.parametrize("field", ["metadata", "raw_message"])
async def test_null_stands_for_nothing(parley: Parley, channel_id: str, field: str) -> None:
    """An object that is null is an empty one, as elizaOS's clients send it."""
    ann = await parley.user("ann")
    assert (await ann.submit(channel_id, **{field: None})).data[field] == {}


async def test_binary_content_is_no_text(parley: Parley, channel_id: str) -> None:
    """A Socket.IO attachment in the place of a text is refused, not decoded."""
    async with talking(parley.url, {"token": await parley.key(Kind.USER, "ann")}) as ann:
        for body in (
            {"channel_id": channel_id, "content": b"bytes"},
            {"channel_id": channel_id, "content": "x", "metadata": {"a": b"bytes"}},
            {"channel_id": channel_id.encode(), "content": "x"},
        ):
            assert await ann.code("submit", body) == "VALIDATION_ERROR"
    assert await parley.service.texts(channel_id) == []


@pytest.mark.parametrize("joinable", ["yes", "true", 1, 0, None])
async def test_what_is_no_truth_value_does_not_pass_for_one(parley: Parley, joinable: Any) -> None:
    """Only true and false say whether a channel is open to everybody."""
    refused = await parley.service.create_channel("talk", joinable=joinable)
    assert refused.refusal == (400, "VALIDATION_ERROR")
    assert "'joinable'" in refused.error["details"]


@pytest.mark.parametrize("path", [f"{API}/channels/%00", "/api/agents/%00"])
async def test_a_path_with_nul_names_nothing(parley: Parley, path: str) -> None:
    """One of the databases could not be asked for it."""
    assert (await parley.service.get(path)).status == 404


async def test_a_parameter_with_nul_names_nobody(parley: Parley) -> None:
    """One of the databases could not be asked for it."""
    assert (await parley.service.get(f"{API}/sessions", userId="\0")).body["sessions"] == []
