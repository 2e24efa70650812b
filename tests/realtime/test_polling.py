"""Polling: every packet counts, in order, and what breaks the rules ends the session."""

import asyncio
import base64
import gzip
import logging
import os
from collections.abc import AsyncIterator

import orjson
import pytest

from rooms.cursors import Cursor
from rooms.principals import Kind
from rooms.rules import DEFAULT_SERVER_ID
from server import engine as requests
from server import polling as limits
from server.engine import Engine
from server.session import Session
from server.websocket import MAX_MESSAGE
from tests.realtime.raw import PATH, UNKNOWN_SESSION, Poller, RawSocket, open_poller, raw_connection, until
from tests.returning import Returner
from tests.running import Parley, Start
from tests.talking import NATIVE


def events(first: int, count: int) -> list[str]:
    """Return events with these numbers as their ack ids."""
    return [f'42{NATIVE},{number}["settle"]' for number in range(first, first + count)]


def post_head(sid: str, more: str) -> bytes:
    """Return the head of a POST whose body is still to come."""
    return (
        f"POST {PATH}?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: text/plain\r\n{more}\r\n\r\n"
    ).encode()


async def status_of(connection: RawSocket) -> int:
    """Wait for an answer's head and return its status."""
    await connection.have(lambda: b"\r\n\r\n" in connection.received)
    return int(connection.received.split()[1])


async def test_a_body_in_pieces_is_read_whole(parley: Parley, poller: Poller) -> None:
    """A POST whose body comes piece by piece, with answers to others in between, loses nothing."""
    body = "\x1e".join(events(1, 5)).encode()
    async with raw_connection(parley) as connection:
        connection.send(post_head(poller.sid, f"Content-Length: {len(body)}") + body[:7])
        await open_poller(parley)
        connection.send(body[7:-1])
        await open_poller(parley)
        connection.send(body[-1:])
        assert await status_of(connection) == 200
        await connection.have(lambda: connection.received.endswith(b"ok"))
    await poller.hear(lambda: len(poller.acks) == 5)
    assert poller.acks == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("count", [300, 10_000])
async def test_all_packets_of_one_payload_are_handled_in_order(poller: Poller, count: int) -> None:
    """As many packets as the limit allows are each handled, once, in their order."""
    listening = asyncio.create_task(poller.hear(lambda: len(poller.acks) >= count))
    assert await poller.post(*events(0, count)) == (200, "ok")
    await listening
    assert poller.acks == list(range(count))


async def test_payloads_one_after_the_other_are_handled_in_order(poller: Poller) -> None:
    """Payloads sent faster than they are handled keep their order, and none is lost."""
    listening = asyncio.create_task(poller.hear(lambda: len(poller.acks) >= 5_000))
    for first in range(0, 5_000, 500):
        assert await poller.post(*events(first, 500)) == (200, "ok")
    await listening
    assert poller.acks == list(range(5_000))


async def test_too_many_packets_end_the_session(poller: Poller) -> None:
    """One packet more than the limit is refused; as many as it allows are taken."""
    assert await poller.post(*["3"] * limits.MAX_PACKETS) == (200, "ok")
    status, _ = await poller.post(*["3"] * (limits.MAX_PACKETS + 1))
    assert status == 400
    await poller.assert_ended()


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_payload_over_the_limit_ends_the_session(poller: Poller, chunked: bool) -> None:
    """One byte more than the handshake allows is refused, whether its length is announced or not."""
    payload = b"4" + b"x" * MAX_MESSAGE

    async def pieces() -> AsyncIterator[bytes]:
        for begin in range(0, len(payload), 65_536):
            yield payload[begin : begin + 65_536]

    status, _ = await poller.request("POST", data=pieces() if chunked else payload)
    assert status in (400, 413)
    await poller.assert_ended()


async def test_the_longest_payload_is_taken(poller: Poller) -> None:
    """A payload of exactly the size that the handshake allows is handled."""
    (event,) = events(7, 1)
    padding = "x" * (MAX_MESSAGE - len(event) - 3)
    assert await poller.post(f'{event[:-1]},"{padding}"]') == (200, "ok")
    await poller.hear(lambda: poller.acks == [7])


async def test_a_payload_may_be_longer_than_its_messages(poller: Poller) -> None:
    """Three half-megabyte messages fit into one payload, and are handled; one byte more does not fit."""
    size = limits.MAX_PAYLOAD // 3
    padded = [f'{event[:-1]},"'.ljust(size - 3, "x") + '"]' for event in events(0, 3)]
    assert await poller.post(*padded) == (200, "ok")
    await poller.hear(lambda: poller.acks == [0, 1, 2])
    status, _ = await poller.post(*padded, "3")
    assert status == 413
    await poller.assert_ended()


async def test_a_message_over_the_limit_ends_the_session(poller: Poller) -> None:
    """A payload with room for it is no way to send a message that no WebSocket would take."""
    (event,) = events(1, 1)
    padding = "x" * (MAX_MESSAGE - len(event) - 2)
    assert (await poller.post(f'{event[:-1]},"{padding}"]', "3"))[0] == 400
    await poller.assert_ended()


async def test_an_announced_flood_is_refused_before_it_comes(parley: Parley, poller: Poller) -> None:
    """A length over the limit is refused with 413 at once, without a byte of the body."""
    async with raw_connection(parley) as connection:
        connection.send(post_head(poller.sid, "Content-Length: 99999999999"))
        assert await status_of(connection) == 413
    await poller.assert_ended()


async def test_a_body_that_stops_half_way_is_cut(
    parley: Parley, poller: Poller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a body and then silence is answered by a refusal at the deadline, and ends the session."""
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.2)
    async with raw_connection(parley) as connection:
        connection.send(post_head(poller.sid, "Content-Length: 100") + b"4")
        assert await status_of(connection) == 400
    await poller.assert_ended()


async def test_a_client_that_goes_half_way_through_a_body_ends_the_session(
    parley: Parley, poller: Poller
) -> None:
    """A connection that breaks within a body loses packets: the session does not go on without them."""
    async with raw_connection(parley) as connection:
        connection.send(post_head(poller.sid, "Content-Length: 100") + b"4")
        await open_poller(parley)
    await poller.ended()


BOMB = gzip.compress(b"4" * 90_000_000, 9)
BAD_BODIES = {
    "no chunk": ("Transfer-Encoding: chunked", b"xyz\r\n4\r\n0\r\n\r\n"),
    "a chunk without its end": ("Transfer-Encoding: chunked", b"1\r\n4xxx\r\n0\r\n\r\n"),
    "no gzip": ("Content-Encoding: gzip\r\nContent-Length: 4", b"4xyz"),
    "half a gzip": ("Content-Encoding: gzip\r\nContent-Length: 20", gzip.compress(os.urandom(90))[:20]),
    "a bomb": (f"Content-Encoding: gzip\r\nContent-Length: {len(BOMB)}", BOMB),
    "no UTF-8": ("Content-Length: 2", b"4\xff"),
    "nothing": ("Content-Length: 0", b""),
}


@pytest.mark.parametrize(("head", "body"), BAD_BODIES.values(), ids=BAD_BODIES)
async def test_a_body_that_cannot_be_read_ends_the_session(
    parley: Parley, poller: Poller, monkeypatch: pytest.MonkeyPatch, head: str, body: bytes
) -> None:
    """Whatever is wrong with a body, it is refused, and the session does not go on without it."""
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.5)
    async with raw_connection(parley) as connection:
        connection.send(post_head(poller.sid, head))
        await open_poller(parley)
        connection.send(body)
        assert await status_of(connection) in (400, 413)
    await poller.ended()


BAD_PACKETS = [
    "", "x", "7", "0", "2", "2probe", "5", "6", "14", "\x1e", "4\x1e", "\x1e4", "4", "4x", "42", "47[]",
    "b", "bYQ", "b!!!!", "bé", "bYQ==", "44{}", "4²[]", "42²[]", '42٣["x"]', "40,{}",
    '451-["x",{"_placeholder":true,"num":0}]\x1e42["x"]',
]  # fmt: skip


@pytest.mark.parametrize("payload", BAD_PACKETS)
async def test_a_packet_that_is_none_ends_the_session(
    poller: Poller, engine: Engine, caplog: pytest.LogCaptureFixture, payload: str
) -> None:
    """What is no packet of the protocol is never passed over in silence: the log has a line for it."""
    caplog.set_level(logging.INFO, "parley")
    await poller.request("POST", data=payload.encode())
    await poller.ended()
    assert engine.violations == 1
    assert [record.name for record in caplog.records] == ["parley.engine"]


@pytest.mark.parametrize("packet", ["x", "b!!!!", "47"])
async def test_a_payload_of_violations_is_one(
    poller: Poller, engine: Engine, caplog: pytest.LogCaptureFixture, packet: str
) -> None:
    """Nobody fills the log: however many bad packets one payload has, the first ends it."""
    caplog.set_level(logging.INFO, "parley")
    await poller.post(*[packet] * 1_000)
    await poller.ended()
    assert engine.violations == len(caplog.records) == 1


async def test_binary_comes_as_base64(poller: Poller) -> None:
    """An attachment in base64 completes its event, which is answered."""
    attachment = "b" + base64.b64encode(b"\x00\xff" * 50).decode()
    head = f'451-{NATIVE},5["submit",{{"_placeholder":true,"num":0}}]'
    assert await poller.post(head, attachment) == (200, "ok")
    await poller.hear(lambda: poller.acks == [5])
    assert '"VALIDATION_ERROR"' in poller.heard[-1]


async def test_two_polls_at_once_end_the_session(poller: Poller) -> None:
    """A second poll while one waits is refused; the first is told to close."""
    answers = await asyncio.gather(poller.request("GET"), poller.request("GET"))
    assert sorted(answers) == [(200, "1"), (400, '{"code":3,"message":"Bad request"}')]
    await poller.assert_ended()


async def give_up_a_poll(parley: Parley, session: Session) -> None:
    """Poll, and break the connection while the poll waits."""
    async with raw_connection(parley) as connection:
        head = f"GET {PATH}?EIO=4&transport=polling&sid={session.sid} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        connection.send(head.encode())
        await until(lambda: session._poll is not None)


@pytest.mark.parametrize("said", [[], events(1, 1)], ids=["nothing", "something"])
async def test_a_poll_that_is_given_up_ends_the_session(
    parley: Parley, engine: Engine, poller: Poller, said: list[str]
) -> None:
    """What the broken poll would have carried is not lost in silence: the client has to begin again."""
    await give_up_a_poll(parley, engine.sockets[poller.sid])
    for packet in said:
        assert await poller.post(packet) == (200, "ok")
    assert (await poller.request("GET"))[0] == 400
    await poller.assert_ended()


async def test_who_gives_up_polling_is_gone_with_the_next_heartbeat(
    brisk: Parley, engines: list[Engine]
) -> None:
    """A heartbeat that nobody takes ends the session."""
    (engine,) = engines
    session = engine.sockets[(await open_poller(brisk)).sid]
    await give_up_a_poll(brisk, session)
    await until(lambda: session.closed)
    assert (session.pings, engine.sockets) == (1, {})


async def test_packets_are_separated_and_nothing_else_is_added(poller: Poller) -> None:
    """What waits is the body of one poll: packets in their order, with one character between them."""
    assert await poller.post(*events(1, 3)) == (200, "ok")
    await poller.hear(lambda: len(poller.acks) == 3)
    acks = [packet for packet in poller.heard if packet.startswith("43")]
    assert [packet.partition("[")[0] for packet in acks] == [f"43{NATIVE},{number}" for number in (1, 2, 3)]


async def test_a_client_that_closes_is_gone(engine: Engine, poller: Poller) -> None:
    """CLOSE is answered "ok"; a poll that waits gets a NOOP, and the session is no more."""
    waiting = asyncio.create_task(poller.request("GET"))
    await until(lambda: engine.sockets[poller.sid]._poll is not None)
    assert await poller.post("1") == (200, "ok")
    assert await waiting == (200, "6")
    await poller.assert_ended()


async def test_what_is_not_shown_to_a_client_does_not_end_its_poll(
    parley: Parley, engines: list[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that comes back past events of others polls on until there is something for it."""
    channel_id = await parley.service.new_channel("talk", "ann")
    secret, ctx = await parley.key(Kind.USER, "ben"), parley.node.ctx
    cursor = ctx.cursors.write(Cursor(DEFAULT_SERVER_ID, *ctx.tail.position(DEFAULT_SERVER_ID)))
    await parley.service.submit(channel_id, "not for ben", author_id="ann")
    # Out of the database, and so after the client has been greeted.
    monkeypatch.setattr(ctx.tail, "read", lambda *_: None)
    auth = orjson.dumps({"token": secret, "after": cursor}).decode()
    poller = await open_poller(parley)
    listening = asyncio.create_task(poller.hear(lambda: poller.acks == [1]))
    assert await poller.post(f"40{NATIVE},{auth}") == (200, "ok")
    await until(lambda: any(held.is_live for held in engines[0].owner.admissions.connections()))
    await poller.post(*events(1, 1))
    await listening
    assert "" not in poller.heard


async def come_back_elsewhere(parley: Parley, secret: str, poller: Poller) -> Returner:
    """Connect another client with the poller's pid."""
    connected = next(packet for packet in poller.heard if packet.startswith(f"40{NATIVE},"))
    pid = orjson.loads(connected.removeprefix(f"40{NATIVE},"))["pid"]
    twin = Returner(parley.url, {"token": secret, "pid": pid})
    await twin.connect()
    return twin


async def test_who_is_sent_away_between_two_polls_learns_it_from_the_next(
    parley: Parley, secret: str, poller: Poller
) -> None:
    """It is told once, so that two pollers with one pid do not evict each other for ever."""
    twin = await come_back_elsewhere(parley, secret, poller)
    assert await poller.post("3", *events(1, 1)) == (200, "ok")
    assert await poller.request("PUT") == UNKNOWN_SESSION
    assert await poller.poll() == [f"41{NATIVE}"]
    await poller.assert_ended()
    await twin.settle()
    await twin.close()


@pytest.mark.parametrize(("name", "value"), [("FAREWELL_SECONDS", 0.01), ("MAX_FAREWELLS", 1)])
async def test_what_is_kept_for_who_was_sent_away_is_bounded(
    start: Start, monkeypatch: pytest.MonkeyPatch, name: str, value: float
) -> None:
    """After a while, or behind others who were sent away, the session is as unknown as any."""
    monkeypatch.setattr(requests, name, value)
    parley = await start()
    secret = await parley.key(Kind.USER, "ann")
    pollers = [await open_poller(parley) for _ in range(2)]
    for poller in pollers:
        await poller.join(secret)
        await (await come_back_elsewhere(parley, secret, poller)).close()
    await pollers[0].ended()
