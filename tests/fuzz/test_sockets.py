"""Whatever a socket sends, it gets an ack or is closed, and everybody else is served."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from handlers.events import EVENTS
from tests.fuzz.inputs import encode, examples, is_json, messages, texts, values
from tests.rest import Rest
from tests.running import Parley
from tests.talking import ELIZA, NATIVE, ByHand, Talker, speaking_by_hand, talking

OWN, FOREIGN = "aaaaaaaa-0000-0000-0000-000000000001", "aaaaaaaa-0000-0000-0000-000000000002"
SAID = "aaaaaaaa-0000-0000-0000-000000000003"

SOON = 10.0  # seconds

channel_events = st.fixed_dictionaries(
    {}, optional={"channel_id": st.sampled_from([OWN, FOREIGN]) | values, "is_typing": values}
)
message_events = st.fixed_dictionaries(
    {}, optional={"message_id": st.just(SAID) | values, "content": texts | values}
)
ELIZAS = {"channel_id": "channelId", "content": "message", "author_id": "senderId", "source_type": "source"}
elizas = messages(OWN, FOREIGN).map(
    lambda message: {ELIZAS.get(field, field): value for field, value in message.items()}
)
batches = st.lists(messages(OWN, FOREIGN) | values, max_size=3)
# What the clients of each dialect emit, and what they should not.
native_events = st.one_of(
    st.tuples(st.just("submit"), messages(OWN, FOREIGN)),
    st.tuples(st.just("submit_many"), st.fixed_dictionaries({"messages": batches | values})),
    st.tuples(st.sampled_from(["join", "leave", "typing"]), channel_events),
    st.tuples(st.sampled_from(["edit", "delete"]), message_events),
)
eliza_events = st.one_of(
    st.tuples(
        st.just("message"), st.fixed_dictionaries({"type": st.sampled_from([1, 2]), "payload": elizas})
    ),
    st.tuples(st.sampled_from(["1", "2"]), elizas),
)
odd_events = st.tuples(
    st.sampled_from([*EVENTS, "message", "1", "2", "connect", "disconnect"]) | texts, values
)


class Sender:
    """A hand-driven client that comes back when it has been closed."""

    def __init__(self, parley: Parley, secret: str, namespace: str) -> None:
        self.namespace = namespace
        self._parley = parley
        self._secret = secret
        self._stack = AsyncExitStack()

    async def socket(self) -> ByHand:
        """Return a connected socket: the one there is, or a new one."""
        if not hasattr(self, "_socket") or self._socket.is_closed:
            opened = speaking_by_hand(self._parley.url, self.namespace)
            self._socket: ByHand = await self._stack.enter_async_context(opened)
            assert "sid" in await self._socket.connect({"token": self._secret})
        return self._socket

    async def close(self) -> None:
        """Close whatever was opened."""
        await self._stack.aclose()


@pytest.fixture
async def ann(parley: Parley) -> Rest:
    """Give a user's client, on a node with a channel of its own and one of somebody else's."""
    await parley.service.new_channel("own", "ann", "ben", id=OWN)
    await parley.service.new_channel("foreign", "ben", id=FOREIGN)
    client = await parley.user("ann")
    assert (await client.submit(OWN, "to be edited", messageId=SAID)).status == 201
    return client


@pytest.fixture(params=[NATIVE, ELIZA], ids=["native", "eliza"])
async def sender(request: pytest.FixtureRequest, parley: Parley, ann: Rest) -> AsyncIterator[Sender]:
    """Give a client of ann's in each dialect."""
    assert ann.secret is not None
    opened = Sender(parley, ann.secret, request.param)
    yield opened
    await opened.close()


@pytest.fixture
async def bystander(parley: Parley) -> AsyncIterator[Talker]:
    """Give another connected member of the channel."""
    ben = await parley.user("ben")
    async with talking(parley.url, {"token": ben.secret}) as talker:
        yield talker


@given(arguments=native_events | eliza_events | odd_events)
@examples(300)
async def test_any_event_is_acknowledged(sender: Sender, arguments: tuple[str, object]) -> None:
    """Whatever an event is called and carries, its ack is an envelope, and never a failure."""
    event = encode(arguments)
    assume(is_json(event))  # a packet that cannot be read has no ack id either
    ack = await asyncio.wait_for((await sender.socket()).event(event), SOON)
    assert ack["success"] is True or ack["error"]["code"] in {
        "VALIDATION_ERROR",
        "PERMISSION_DENIED",
        "RESOURCE_NOT_FOUND",
        "CONFLICT",
    }


# Packets of the types EVENT, ACK, CONNECT_ERROR and beyond, with and without namespace, id and JSON.
packets = st.builds(
    lambda kind, namespace, number, rest: f"4{kind}{namespace}{number}{rest}",
    st.sampled_from(["2", "3", "4", "7", "9", "", "x"]),
    st.sampled_from(["", f"{NATIVE},", "/x,", "/", ","]) | st.text(st.characters(codec="utf-8"), max_size=5),
    st.sampled_from(["", "0", "1", "99999999999999999999", "-1", "1.5"]),
    values.map(encode) | native_events.map(encode) | st.text(st.characters(codec="utf-8"), max_size=20),
)


@given(packet=packets)
@examples(200)
async def test_any_packet_is_survived(sender: Sender, bystander: Talker, packet: str) -> None:
    """After any text the sender is served or closed, and others are served."""
    assume(not packet.startswith("41"))  # DISCONNECT: whoever says goodbye is not answered any more
    socket = await sender.socket()
    try:
        await socket.send(packet)
        await asyncio.wait_for(socket.settle(), SOON)
    except (AssertionError, ConnectionError):
        assert socket.is_closed
    await bystander.settle()


@given(
    auth=values
    | st.fixed_dictionaries({}, optional=dict.fromkeys(["token", "apiKey", "entityId", "serverId"], values))
)
@examples(80)
async def test_any_handshake_is_answered(parley: Parley, bystander: Talker, auth: object) -> None:
    """A handshake that says anything is refused with a code, and the same connection may try again."""
    async with speaking_by_hand(parley.url) as socket:
        await socket.send(f"40{NATIVE},{encode(auth)}")
        try:
            answered = await socket.connect({})
        except (AssertionError, ConnectionError):
            assert socket.is_closed
        else:
            assert answered["data"]["code"] == "AUTHENTICATION_FAILED"
    await bystander.settle()
