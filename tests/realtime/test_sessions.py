"""Sessions come to an end: nothing of a session that is over remains."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from rooms import participants
from rooms.principals import Kind
from server.engine import Engine
from server.sockets import SocketServer
from tests.realtime.raw import (
    PATH,
    PATIENCE,
    handshake,
    held_by,
    open_poller,
    raw_connection,
    raw_websocket,
    until,
)
from tests.running import Parley, running_parley
from tests.talking import NATIVE


async def test_who_goes_while_it_is_being_admitted_leaves_nothing(parley: Parley, engine: Engine) -> None:
    """A client that is gone before it was let into its channels is in none of them."""
    secret = await parley.key(Kind.USER, "ann")
    await parley.service.new_channel("talk", "ann")
    admissions = owner(engine).admissions
    for _ in range(30):
        async with raw_websocket(parley) as socket:
            (session,) = engine.sockets.values()
            socket.say(f'40{NATIVE},{{"token":"{secret}"}}')
            await socket.packet(f"40{NATIVE}")
        await until(lambda session=session: session.closed and session._worker is None)
        assert held_by(admissions) == []


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
    admissions = owner(engine).admissions
    assert held_by(admissions) == []


async def test_a_node_stops_at_once_whatever_is_open(tmp_path: Path, engines: list[Engine]) -> None:
    """Neither polls that wait nor WebSockets, proven or not, delay the end; each is told, or closed."""
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
        assert loop.time() - ends < PATIENCE
        assert await joined.closed() == 1012
        await polling.over()
        assert b"server_draining" in polling.received
        assert await probing.closed() == 1012
        await half.over()


def owner(engine: Engine) -> SocketServer:
    """Return the Socket.IO server of an engine."""
    found = engine.owner
    assert isinstance(found, SocketServer)
    return found
