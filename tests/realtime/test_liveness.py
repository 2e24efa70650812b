"""Heartbeats: dead clients are found in time, and nobody who lives is taken for dead."""

import asyncio

import pytest

from rooms.principals import Kind
from server.engine import Engine
from server.session import Session
from tests.realtime.raw import PATIENCE, SEPARATOR, frame, open_poller, raw_websocket, text, until
from tests.running import Parley
from tests.talking import NATIVE

INTERVAL, TIMEOUT = 0.2, 1.0


async def test_a_client_that_answers_no_heartbeat_is_closed(brisk: Parley, engines: list[Engine]) -> None:
    """After the interval and the timeout a silent session is over, on both transports."""
    secret = await brisk.key(Kind.USER, "ann")
    loop = asyncio.get_running_loop()
    silent = await open_poller(brisk)
    await silent.join(secret)
    async with raw_websocket(brisk) as socket:
        began = loop.time()
        await socket.join(secret)
        await socket.over()
        assert loop.time() - began >= INTERVAL + TIMEOUT - 0.01
        assert socket.packets.count("2") == 1
    await until(lambda: not engines[0].sockets)
    await silent.assert_ended()


async def test_a_websocket_that_talks_and_answers_no_heartbeat_is_closed(brisk: Parley) -> None:
    """Whatever else a client says, it is over after the interval and the timeout."""
    secret = await brisk.key(Kind.USER, "ann")
    loop = asyncio.get_running_loop()
    async with raw_websocket(brisk) as socket, asyncio.timeout(PATIENCE):
        began = loop.time()
        await socket.join(secret)
        while not socket.is_over:
            socket.say(f'42{NATIVE},["settle"]')
            await asyncio.sleep(0)
        assert loop.time() - began >= INTERVAL + TIMEOUT - 0.01
        assert socket.packets.count("2") == 1


async def test_a_poller_that_talks_and_answers_no_heartbeat_is_closed(brisk: Parley) -> None:
    """Neither its events nor its polls stand for an answer."""
    secret = await brisk.key(Kind.USER, "ann")
    loop = asyncio.get_running_loop()
    poller = await open_poller(brisk)
    began, heard = loop.time(), []
    async with asyncio.timeout(PATIENCE):
        assert await poller.post(f'40{NATIVE},{{"token":"{secret}"}}') == (200, "ok")
        while (await poller.post(f'42{NATIVE},1["settle"]'))[0] == 200:
            heard += (await poller.request("GET"))[1].split(SEPARATOR)
    assert loop.time() - began >= INTERVAL + TIMEOUT - 0.01
    assert heard.count("2") == 1
    await poller.assert_ended()


async def test_a_client_that_answers_heartbeats_stays(brisk: Parley, engines: list[Engine]) -> None:
    """Whoever answers lives on, over a WebSocket and over polling; who stops then is closed."""
    secret = await brisk.key(Kind.USER, "ann")
    poller = await open_poller(brisk)
    await poller.join(secret)
    polled = engines[0].sockets[poller.sid]
    polling = asyncio.create_task(poller.hear(lambda: polled.pongs >= 5))
    async with raw_websocket(brisk) as socket:
        await socket.join(secret)
        for count in range(1, 6):
            await socket.have(lambda count=count: socket.packets.count("2") == count)
            socket.say("3")
        await polling
        await socket.settle()
        await poller.post(f'42{NATIVE},1["settle"]')
        await poller.hear(lambda: poller.acks == [1])
        await socket.over()
    await until(lambda: not engines[0].sockets)


async def test_answers_to_no_heartbeat_do_not_multiply_heartbeats(brisk: Parley) -> None:
    """A client that says PONG all the time gets one PING per interval, and is closed when it stops."""
    loop = asyncio.get_running_loop()
    async with raw_websocket(brisk) as socket:
        await socket.join(await brisk.key(Kind.USER, "ann"))
        began = loop.time()
        while socket.packets.count("2") < 4:
            socket.say("3")
            socket.send(text("3") * 20)
            await asyncio.sleep(0)
        assert loop.time() - began >= 3 * INTERVAL - 0.01
        await socket.over()
        assert socket.packets.count("2") <= 5


async def test_pongs_of_the_websocket_are_no_heartbeats(brisk: Parley) -> None:
    """Frames that only look like a sign of life do not keep a session."""
    async with raw_websocket(brisk) as socket:
        while not socket.is_over:
            socket.send(frame(10, b""))
            await asyncio.sleep(0)
        assert socket.packets.count("2") == 1


@pytest.fixture
async def standstill(brisk: Parley, engines: list[Engine], monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Let the handling of messages stand still until this is set."""
    released = asyncio.Event()
    monkeypatch.setattr(engines[0].owner, "take_message", lambda *_: released.wait())
    return released


async def assert_patience(session: Session, released: asyncio.Event) -> None:
    """Check that a session outlives two heartbeats while it waits, and that it is alive then."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + 2 * (INTERVAL + TIMEOUT)
    await until(lambda: loop.time() > ends)
    assert (session.closed, session.pongs, session.pings) == (False, 0, 1)
    released.set()
    await until(lambda: session.pongs == 1)
    assert not session.closed


async def test_a_websocket_that_waits_for_the_server_is_not_taken_for_dead(
    brisk: Parley, engines: list[Engine], standstill: asyncio.Event
) -> None:
    """The answer to a heartbeat may be late when the server does not read because it has much to do."""
    async with raw_websocket(brisk) as socket:
        (session,) = engines[0].sockets.values()
        socket.send(text("4x") * 3_000)
        await until(lambda: session._reading_paused)
        await socket.packet("2")
        socket.say("3")
        await assert_patience(session, standstill)
        await socket.over()


async def test_a_poller_that_waits_for_the_server_is_not_taken_for_dead(
    brisk: Parley, engines: list[Engine], standstill: asyncio.Event
) -> None:
    """The answer to a heartbeat may be late when the client's last POST is not answered yet."""
    poller = await open_poller(brisk)
    session = engines[0].sockets[poller.sid]

    async def say_and_answer() -> None:
        assert await poller.post(*["4x"] * 3_000) == (200, "ok")
        assert await poller.poll() == []

    saying = asyncio.create_task(say_and_answer())
    await until(lambda: session._worker is not None)
    await assert_patience(session, standstill)
    await saying
    await until(lambda: session.closed)
