"""Hostile bytes on a real port: the connection ends, with the right code, and others are served."""

import logging
from collections.abc import Iterator

import orjson
import pytest

from handlers.limits import Bucket
from rooms.principals import Kind
from server import client, sockets
from server.engine import Engine
from tests.realtime.raw import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    frame,
    open_poller,
    raw_connection,
    raw_websocket,
    text,
    until,
)
from tests.rest import API
from tests.running import Parley, Start
from tests.talking import ELIZA, NATIVE, speaking_by_hand, talking

PLACE = '{"_placeholder":true,"num":%d}'


def event(number: int, name: str = "settle") -> str:
    """Return an event with an ack id."""
    return f"42{NATIVE},{number}{orjson.dumps([name]).decode()}"


HOSTILE = {
    "unmasked": (frame(TEXT, b"4x", masked=False), 1002),
    "unmasked behind others": (text(event(1)) * 3 + frame(PING, b"", masked=False), 1002),
    "a reserved bit": (frame(TEXT, b"4x", reserved=2), 1002),
    "compressed": (frame(TEXT, b"\xaaV*)*U\xb2\x02\x00", reserved=4), 1002),
    "a reserved opcode": (frame(3, b"x"), 1002),
    "no UTF-8": (frame(TEXT, b"4\xe2\x82", final=False) + frame(0, b"x"), 1007),
    "announced too big": (b"\x81\xff" + (1_000_001).to_bytes(8) + b"mask", 1009),
    "announced as big as can be": (b"\x81\xff" + (2**64 - 1).to_bytes(8) + b"mask", 1009),
    "a byte too big": (frame(TEXT, b"4" + b"x" * 1_000_000), 1009),
    "a byte too big in fragments": (frame(TEXT, b"4" * 1_000_000, final=False) + frame(0, b"x"), 1009),
    "a close": (frame(CLOSE, b"\x03\xe9"), 1000),
    "no packet": (text(""), 1002),
    "garbage": (text("garbage"), 1002),
    "an unknown type": (text("4abc"), 1002),
    "an event that is no list": (text("42{}"), 1002),
    "an ack id that is no number": (text('42abc["settle"]'), 1002),
    "an open packet": (text("0{}"), 1002),
    "a ping of the client": (text("2"), 1002),
    "an upgrade": (text("5"), 1002),
    "a message without a packet": (text("4"), 1002),
    "an attachment of nothing": (frame(BINARY, b"x"), 1002),
    "an empty attachment of nothing": (frame(BINARY, b""), 1002),
    "a text while attachments are due": (text('451-["x",' + PLACE % 0 + "]") + text(event(1)), 1002),
    "no attachments": (text('450-["x"]'), 1002),
    "an announcement without a packet": (text("451-"), 1002),
    "too many attachments": (text('451000000000-["x"]'), 1002),
    "eleven attachments": (text('4511-["x"]'), 1002),
    "a place without its attachment": (text('451-["x",' + PLACE % 1 + "]") + frame(BINARY, b"x"), 1002),
    "places too deep": (text('451-["x",' + "[" * 1_000 + "]" * 1_000 + "]") + frame(BINARY, b"x"), 1002),
    "a long ack id": (text(f'42{NATIVE},12345678901234567890["settle"]'), 1002),
    "a refusal of the client": (text("44{}"), 1002),
    "the namespace again": (text(f"40{NATIVE},"), 1002),
    "deep JSON": (text("42" + "[" * 90_000), 1002),
    "a packet of a new type": (text('47["x"]'), 1002),
}


@pytest.mark.parametrize(("data", "code"), HOSTILE.values(), ids=HOSTILE)
async def test_a_violation_closes_that_client_alone(
    parley: Parley, engine: Engine, secret: str, caplog: pytest.LogCaptureFixture, data: bytes, code: int
) -> None:
    """The first violation ends the session with the code that fits, and one line in the log."""
    caplog.set_level(logging.INFO, "parley")
    async with talking(parley.url, {"token": secret}) as bystander, raw_websocket(parley) as socket:
        await socket.join(secret)
        socket.send(data)
        assert await socket.closed() == code
        await until(lambda: len(engine.sockets) == 1)
        await bystander.settle()
    violations = 0 if code == 1000 else 1
    assert engine.violations == violations
    assert [record.name for record in caplog.records] == ["parley.engine"] * violations


@pytest.fixture(autouse=True)
def _no_tracebacks(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Let no client write a traceback into the log."""
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.exc_info] == []


async def test_a_close_of_the_engine_ends_the_session(parley: Parley, engine: Engine) -> None:
    """The packet CLOSE is honoured at once."""
    async with raw_websocket(parley) as socket:
        socket.say("1")
        assert await socket.closed() == 1000
        await until(lambda: not engine.sockets)


@pytest.mark.parametrize("name", ["connect", "disconnect", "connect_error", "message_", "__init__", ""])
@pytest.mark.parametrize("namespace", [NATIVE, ELIZA])
async def test_no_event_has_a_reserved_meaning(
    parley: Parley, secret: str, namespace: str, name: str
) -> None:
    """An event of a reserved name is an unknown one: refused in its ack, and the connection stays."""
    async with speaking_by_hand(parley.url, namespace) as socket:
        assert "sid" in await socket.connect({"token": secret})
        ack = await socket.event(orjson.dumps([name, {"token": secret}, {}]).decode())
        assert ack["error"]["code"] == "VALIDATION_ERROR"
        await socket.settle()


async def test_ten_thousand_namespaces_close_the_connection(parley: Parley, engine: Engine) -> None:
    """So many CONNECTs in a row end after some hundred refusals."""
    async with raw_websocket(parley) as socket:
        for number in range(10_000):
            socket.say(f"40/n{number},")
        assert await socket.closed() == 1002
        assert 0 < len(socket.packets[1:]) <= client.MAX_REFUSALS
        await until(lambda: not engine.sockets)


async def test_refusals_of_a_long_life_do_not_add_up(
    parley: Parley, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever tries a namespace again and again, but not too fast, keeps the others."""
    monkeypatch.setattr(client, "REFUSAL_SECONDS", 0.0)
    async with raw_websocket(parley) as socket:
        await socket.join(secret)
        for number in range(2 * client.MAX_REFUSALS):
            socket.say(f"40/n{number},")
        await socket.packet(f"44/n{2 * client.MAX_REFUSALS - 1},")
        await socket.settle()


async def test_one_namespace_too_many_is_refused_and_the_others_live(parley: Parley, secret: str) -> None:
    """The refusal says what to do; who leaves a namespace has room for another."""
    names = ["/", NATIVE]
    while len(names) <= client.MAX_NAMESPACES:
        name = f"server {len(names)}"
        made = await parley.service.post(f"{API}/message-servers", {"name": name})
        names.append(f"/servers/{made.data['server']['id']}")
    *fitting, last = names
    auth = orjson.dumps({"token": secret}).decode()
    async with raw_websocket(parley) as socket:
        for name in fitting:
            socket.say(f"40{name},{auth}")
            await socket.packet("40{" if name == "/" else f"40{name},")
        socket.say(f"40{last},{auth}")
        refusal = orjson.loads((await socket.packet(f"44{last},")).removeprefix(f"44{last},"))
        assert (refusal["message"], refusal["data"]["code"]) == ("Too many namespaces", "VALIDATION_ERROR")
        await socket.settle()
        socket.say("41")
        socket.say(f"40{last},{auth}")
        await socket.packet(f"40{last},")


async def test_a_storm_of_connects_and_disconnects_is_served_in_order(
    parley: Parley, engine: Engine, secret: str
) -> None:
    """Each CONNECT of a well-known client is answered; afterwards it hears each message once."""
    channel_id = await parley.service.new_channel("talk", "ann")
    auth = orjson.dumps({"token": secret}).decode()
    async with raw_websocket(parley) as socket:
        for _ in range(50):
            socket.say(f"40{NATIVE},{auth}")
            socket.say(f"41{NATIVE},")
        socket.say(f"40{NATIVE},{auth}")
        await socket.have(lambda: sum('["ready"' in packet for packet in socket.packets) == 51)
        await parley.service.submit(channel_id, "once", author_id="ann")
        await socket.settle()
        assert sum('"once"' in packet for packet in socket.packets) == 1
        assert len(engine_owner(engine)._owing._queue) == 1


async def test_connecting_is_charged_as_reading(start: Start) -> None:
    """Who has read too much is closed, and comes back later; nobody gets round that without end."""
    parley = await start(rate_limits="on")
    secret = await parley.key(Kind.USER, "ann")
    async with raw_websocket(parley) as socket:
        await socket.join(secret)
        socket.send(text(f'42{NATIVE},["heartbeat"]') * Bucket.READS.value[0])
        socket.send((text(f"41{NATIVE},") + text(f'40{NATIVE},{{"token":"{secret}"}}')) * 10)
        assert await socket.closed() == 1013


NEVER_CONNECTED = [event(1), f"41{NATIVE},", f"43{NATIVE},1[]", f'451-{NATIVE},["x"]', f'461-{NATIVE},1["x"]']


@pytest.mark.parametrize("packet", NEVER_CONNECTED)
async def test_a_packet_for_a_namespace_that_was_never_connected_closes(
    parley: Parley, secret: str, packet: str
) -> None:
    """It is no use to wait for an answer there, nor for attachments; other namespaces change nothing."""
    async with raw_websocket(parley) as socket:
        socket.say(f'40{{"token":"{secret}"}}')
        await socket.packet("40{")
        socket.say(packet)
        assert await socket.closed() == 1002


async def test_what_was_under_way_when_a_namespace_was_left_is_passed_over(
    parley: Parley, secret: str
) -> None:
    """Events, bytes among them, that meet a connection that has ended cost the others nothing."""
    async with raw_websocket(parley) as socket:
        await socket.join(secret)
        socket.say(f'40{{"token":"{secret}"}}')
        await socket.packet("40{")
        socket.say("41")
        socket.say('421["message",{}]')
        socket.say(f'451-2["message",{PLACE % 0}]')
        socket.send(frame(BINARY, b"x"))
        await socket.settle()
        assert not [packet for packet in socket.packets if packet.startswith(("431[", "432["))]


@pytest.mark.parametrize("said", [[], [f'40{NATIVE},{{"token":"wrong"}}'], ["3"]], ids=str)
async def test_who_connects_to_no_namespace_is_closed(
    parley: Parley, engine: Engine, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    """Without an accepted CONNECT within the deadline the session ends, on both transports."""
    monkeypatch.setattr(engine_owner(engine)._owing, "_delay", 0.3)
    poller = await open_poller(parley)
    async with raw_websocket(parley) as socket:
        for packet in said:
            socket.say(packet)
            await poller.post(packet)
        assert await socket.closed() == 1002
    await poller.ended()


async def test_who_leaves_every_namespace_is_closed(
    parley: Parley, engine: Engine, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    """A session without a namespace has a deadline again; one that came back in time stays."""
    deadlines = engine_owner(engine)._owing
    monkeypatch.setattr(deadlines, "_delay", 1.0)
    async with raw_websocket(parley) as leaving, raw_websocket(parley) as returning:
        await leaving.join(secret)
        await returning.join(secret)
        await until(lambda: not deadlines._queue)
        returning.say(f"41{NATIVE},")
        returning.say(f'40{NATIVE},{{"token":"{secret}"}}')
        leaving.say(f"41{NATIVE},")
        assert await leaving.closed() == 1002
        await returning.settle()


async def test_a_packet_that_is_not_completed_in_time_closes(
    parley: Parley, engine: Engine, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    """Who announces attachments has a deadline to send them; who keeps it stays."""
    deadlines = engine_owner(engine)._owing
    monkeypatch.setattr(deadlines, "_delay", 1.0)
    async with raw_websocket(parley) as slow, raw_websocket(parley) as prompt:
        for socket in (slow, prompt):
            await socket.join(secret)
        await until(lambda: not deadlines._queue)
        for socket in (slow, prompt):
            socket.say(f'452-{NATIVE},1["settle",{PLACE % 0},{PLACE % 1}]')
            socket.send(frame(BINARY, b"x"))
        prompt.send(frame(BINARY, b"y"))
        assert await slow.closed() == 1002
        await prompt.settle()


def engine_owner(engine: Engine) -> sockets.SocketServer:
    """Return the Socket.IO server of an engine."""
    owner = engine.owner
    assert isinstance(owner, sockets.SocketServer)
    return owner


@pytest.mark.parametrize("namespace", [NATIVE, ELIZA])
async def test_binary_in_an_event_is_refused_in_its_ack(parley: Parley, secret: str, namespace: str) -> None:
    """Bytes are no content: the ack says so, whatever field holds them, and the connection stays."""
    prefix = "" if namespace == ELIZA else f"{namespace},"
    event = "message" if namespace == ELIZA else "submit"
    bodies = [
        "%s",
        '{"channel_id":%s}',
        '{"channel_id":"x","content":%s}',
        '{"type":2,"payload":%s}',
        '{"type":%s}',
    ]
    async with raw_websocket(parley) as socket:
        socket.say(f'40{prefix}{{"token":"{secret}"}}')
        await socket.packet(f"40{prefix}")
        for number, body in enumerate(bodies, 1):
            socket.say(f'451-{prefix}{number}["{event}",{body % (PLACE % 0)}]')
            socket.send(frame(BINARY, b"\x00\xff"))
            ack = await socket.packet(f"43{prefix}{number}[")
            assert orjson.loads(ack[ack.index("[") :])[0]["error"]["code"] == "VALIDATION_ERROR"


async def test_pings_of_the_websocket_are_answered_between_fragments(parley: Parley, secret: str) -> None:
    """A message in fragments with control frames between them is whole, and each ping is answered."""
    async with raw_websocket(parley) as socket:
        await socket.join(secret)
        whole = event(7).encode()
        socket.send(frame(TEXT, whole[:9], final=False) + frame(PING, b"1"))
        await socket.have(lambda: (PONG, b"1") in socket.frames)
        socket.send(frame(PONG, b"") + frame(0, whole[9:20], final=False) + frame(PING, b"2"))
        await socket.have(lambda: (PONG, b"2") in socket.frames)
        socket.send(frame(0, whole[20:]))
        await socket.packet(f"43{NATIVE},7[")


async def test_half_a_handshake_is_no_session(parley: Parley, engine: Engine) -> None:
    """Bytes that are no request begin nothing."""
    async with raw_connection(parley) as connection:
        connection.send(b"\x16\x03\x01\x02\x00\x01\x00" * 10 + b"\r\n\r\n")
        await connection.over()
    assert engine.sockets == {}
