"""Sessions come to an end: nothing of a session that is over remains."""

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from rooms import participants
from rooms.principals import Kind
from server import session as limits
from server.engine import Engine
from server.sockets import SocketServer
from tests.realtime.raw import (
    BINARY,
    CLOSE,
    PATH,
    PATIENCE,
    TEXT,
    frame,
    handshake,
    open_poller,
    raw_connection,
    raw_websocket,
    text,
    until,
)
from tests.running import Parley, running_parley
from tests.talking import NATIVE


def upgraded(*frames: bytes) -> bytes:
    """Return a handshake with frames right behind it."""
    return handshake() + b"".join(frames)


ABUSES = [
    b"",
    b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /socket.io/?EIO=4&transport=polling&sid=SID HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 9\r\n\r\nx",
    b"\x00" * 100,
    upgraded(),
    handshake()[:-3],
    upgraded(frame(TEXT, b"4x", masked=False)),
    upgraded(text("40" + NATIVE + ',{"token":"wrong"}')),
    upgraded(text("40" + NATIVE + ',{"token":"SECRET"}')),
    upgraded(text("40" + NATIVE + ',{"token":"SECRET"}'), frame(CLOSE, b"\x03\xe8")),
    upgraded(text("40" + NATIVE + ',{"token":"SECRET"}'), text(f'42{NATIVE},1["history",{{}}]') * 50),
    upgraded(text("garbage")),
    upgraded(text('451-["x"]')),
    upgraded(text('4510-["x"]'), frame(BINARY, b"x" * 10_000)),
    upgraded(frame(TEXT, b"4" * 1_000, final=False)),
    upgraded(text("4" * 30_000)[:-5]),
    handshake("EIO=4&transport=websocket&sid=SID") + text("2probe"),
    handshake("EIO=4&transport=websocket&sid=SID") + text("2probe") + text("5") + text("4x"),
    handshake("EIO=4&transport=websocket&sid=SID"),
]  # fmt: skip


async def test_nothing_remains_of_three_hundred_abusive_connections(
    brisk: Parley, engines: list[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sessions, rooms, timers and tasks are as before when the last of them is gone."""
    monkeypatch.setattr(limits, "PROBE_SECONDS", 0.2)
    secret = await brisk.key(Kind.USER, "ann")
    await brisk.service.new_channel("talk", "ann")
    (engine,) = engines
    fanout = owner(engine)._fanout
    before = len(asyncio.all_tasks())
    chance = random.Random(7)
    for _ in range(6):
        async with AsyncExitStack() as stack:
            for abuse in chance.sample(ABUSES * 3, 50):
                data = abuse.replace(b"SECRET", secret.encode())
                if b"SID" in data:
                    data = data.replace(b"SID", (await open_poller(brisk)).sid.encode())
                connection = await stack.enter_async_context(raw_connection(brisk))
                connection.send(data)
            await asyncio.sleep(chance.choice([0, 0.05]))
    await until(lambda: not engine.sockets)
    await until(lambda: len(asyncio.all_tasks()) <= before)
    await until(lambda: not (engine._pings._queue or engine._pongs._queue))
    assert (fanout._rooms, dict(fanout._connections)) == ({}, {})
    async with raw_websocket(brisk) as socket:
        await socket.join(secret)
        await socket.settle()


async def test_who_goes_while_it_is_being_admitted_leaves_nothing(parley: Parley, engine: Engine) -> None:
    """A client that is gone before it was let into its channels is in none of them."""
    secret = await parley.key(Kind.USER, "ann")
    await parley.service.new_channel("talk", "ann")
    fanout = owner(engine)._fanout
    for _ in range(30):
        async with raw_websocket(parley) as socket:
            (session,) = engine.sockets.values()
            socket.say(f'40{NATIVE},{{"token":"{secret}"}}')
            await socket.packet(f"40{NATIVE}")
        await until(lambda session=session: session.closed and session._worker is None)
        assert (fanout._rooms, dict(fanout._connections)) == ({}, {})


async def test_who_goes_while_it_joins_a_channel_is_not_in_it(
    parley: Parley, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that ends while its join is under way does not stay in the channel's room."""
    join = participants.join
    joined = asyncio.Event()

    async with raw_websocket(parley) as socket:
        (session,) = engine.sockets.values()

        async def join_and_go(*arguments: Any) -> None:
            await join(*arguments)
            socket.transport.abort()
            await until(lambda: session.closed)
            joined.set()

        monkeypatch.setattr(participants, "join", join_and_go)
        await socket.join(await parley.key(Kind.USER, "ann"))
        channel_id = await parley.service.new_channel("talk", joinable=True)
        socket.say(f'42{NATIVE},["join",{{"channel_id":"{channel_id}"}}]')
        await asyncio.wait_for(joined.wait(), PATIENCE)
    await until(lambda: session._worker is None)
    fanout = owner(engine)._fanout
    assert (fanout._rooms, dict(fanout._connections)) == ({}, {})


async def test_a_node_stops_at_once_whatever_is_open(tmp_path: Path, engines: list[Engine]) -> None:
    """Neither polls that wait nor WebSockets, proven or not, delay the end; each is closed."""
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as clients:
        async with running_parley(tmp_path / "data") as parley:
            secret = await parley.key(Kind.USER, "ann")
            joined = await clients.enter_async_context(raw_websocket(parley))
            await joined.join(secret)
            poller = await open_poller(parley)
            await poller.join(secret)
            polling = await clients.enter_async_context(raw_connection(parley))
            address = f"{PATH}?EIO=4&transport=polling&sid={poller.sid}"
            polling.send(f"GET {address} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            await until(lambda: engines[0].sockets[poller.sid]._poll is not None)
            probing = await clients.enter_async_context(raw_websocket(parley, poller.sid))
            half = await clients.enter_async_context(raw_connection(parley))
            half.send(handshake()[:-3])
            await joined.settle()
            ends = loop.time()
        assert loop.time() - ends < 4
        assert await joined.closed() == 1012
        await polling.over()
        assert polling.received.startswith(b"HTTP/1.1 400 ")
        assert await probing.closed() == 1012
        await half.over()


def owner(engine: Engine) -> SocketServer:
    """Return the Socket.IO server of an engine."""
    found = engine._hand_on.__self__  # type: ignore[union-attr]
    assert isinstance(found, SocketServer)
    return found
