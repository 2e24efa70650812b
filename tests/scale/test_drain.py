"""A node that is told to end lets everybody go, and loses nothing that it acknowledged."""

import asyncio
import dataclasses
import itertools
import os
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from rooms.principals import Kind
from server.engine import Engine
from tests.realtime.raw import (
    PATH,
    POLLING,
    RawWebSocket,
    open_poller,
    raw_websocket,
    text,
    until,
)
from tests.rest import Rest
from tests.running import Parley, Served, running_parley, serving
from tests.talking import NATIVE

SOCKETS = 1_000 if os.environ.get("PARLEY_TEST_LONG") else 200
SECONDS = 20.0  # in which a node ends that has the default settings
UNLIMITED = {"PARLEY_RATE_LIMITS": "off"}
CLOSE = 8

Acknowledged = dict[str, int]  # seq by the message's id


def body(channel_id: str, content: str) -> str:
    """Return a message as it is submitted."""
    return orjson.dumps({"channel_id": channel_id, "author_id": "ann", "content": content}).decode()


async def submit(socket: RawWebSocket, number: int, channel_id: str) -> None:
    """Submit a message and wait for its ack, or for the connection's end."""
    socket.say(f'42{NATIVE},{number}["submit",{body(channel_id, f"message {number}")}]')
    ack = f"43{NATIVE},{number}[".encode()
    await socket.have(lambda: socket.is_over or ack in socket.received)


async def keep_submitting(socket: RawWebSocket, channel_id: str) -> None:
    """Submit one message after the other until the connection ends."""
    for number in itertools.count(1):
        if socket.is_over:
            return
        await submit(socket, number, channel_id)


async def keep_posting(rest: Rest, channel_id: str) -> Acknowledged:
    """Submit one message after the other over HTTP until nobody answers; return what was acknowledged."""
    acknowledged: Acknowledged = {}
    try:
        while True:
            stored = (await rest.submit(channel_id, author_id="ann")).data
            acknowledged[stored["id"]] = stored["seq"]
    except aiohttp.ClientError:
        return acknowledged


def acknowledged(sockets: Iterable[RawWebSocket]) -> Acknowledged:
    """Return the messages whose acks the sockets have; none may be a refusal."""
    acks = [
        orjson.loads(packet[packet.index("[") :])[0]
        for socket in sockets
        for packet in socket.packets
        if packet.startswith(f"43{NATIVE},")
    ]
    return {ack["data"]["id"]: ack["data"]["seq"] for ack in acks}


def stored(data_dir: Path) -> Acknowledged:
    """Return the messages that the database holds."""
    database = sqlite3.connect(data_dir / "parley.db")
    try:
        return dict(database.execute("SELECT id, seq FROM messages").fetchall())
    finally:
        database.close()


def notices(socket: RawWebSocket) -> list[dict[str, Any]]:
    """Return what the socket was told about the end, each time that it was told."""
    told = [packet for packet in socket.packets if "server_draining" in packet]
    return [orjson.loads(packet[packet.index("[") :])[1] for packet in told]


def is_closing(socket: RawWebSocket) -> bool:
    """Tell whether the server has said that it closes the connection."""
    return socket.is_over or any(opcode == CLOSE for opcode, _ in socket.frames)


async def not_ready(rest: Rest) -> str:
    """Ask until the server is not ready any more, and return what it says about that."""
    async with asyncio.timeout(SECONDS):
        while (reply := await rest.get("/readyz")).status == 200:
            pass
    assert reply.refusal == (503, "UNAVAILABLE")
    return reply.error["details"]


@asynccontextmanager
async def joined(served: Parley | Served, secret: str, count: int) -> AsyncIterator[list[RawWebSocket]]:
    """Give sockets in the native namespace until the block ends."""
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(raw_websocket(served)) for _ in range(count)]
        for socket in sockets:
            await socket.join(secret)
        yield sockets


@contextmanager
def held(data_dir: Path) -> Iterator[None]:
    """Let nothing be committed until the block ends."""
    database = sqlite3.connect(data_dir / "parley.db", isolation_level=None)
    try:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")
    finally:
        database.close()


async def test_a_crowd_that_submits_is_let_go_and_every_acknowledged_message_is_stored(
    tmp_path: Path,
) -> None:
    """Each hears that the server drains and is then closed with 1012, and none before readiness said no."""
    data_dir = tmp_path / "data"
    async with (
        aiohttp.ClientSession() as session,
        serving(data_dir, **UNLIMITED) as served,
        joined(served, served.service_key, SOCKETS) as sockets,
        raw_websocket(served) as late,
    ):
        rest = served.rest(session)
        channel_id = await rest.new_channel("talk")
        submitting = [asyncio.create_task(keep_submitting(socket, channel_id)) for socket in sockets]
        posting = [asyncio.create_task(keep_posting(rest, channel_id)) for _ in range(10)]
        await asyncio.gather(*(socket.packet(f"43{NATIVE},3[") for socket in sockets))
        served.process.terminate()
        async with asyncio.timeout(SECONDS):
            assert "draining" in await not_ready(rest)
            assert not any(is_closing(socket) for socket in sockets)
            await late.join(served.service_key)
            assert await served.process.wait() == 0
        assert {await socket.closed() for socket in [*sockets, late]} == {1012}
        await asyncio.gather(*submitting)
        posted = await asyncio.gather(*posting)
    assert [len(notices(socket)) for socket in [*sockets, late]] == [1] * (SOCKETS + 1)
    moments = {notice["retry_after_ms"] for socket in sockets for notice in notices(socket)}
    assert len(moments) > SOCKETS / 2
    assert any(went_on(socket) for socket in sockets)
    everything = acknowledged(sockets).items() | {item for one in posted for item in one.items()}
    assert len(everything) > 3 * SOCKETS
    assert everything <= stored(data_dir).items()


def went_on(socket: RawWebSocket) -> bool:
    """Tell whether a submit was acknowledged after the socket had heard that the server drains."""
    kinds = ["draining" if "server_draining" in packet else packet[:2] for packet in socket.packets]
    return "43" in kinds[kinds.index("draining") :]


async def test_a_second_signal_waits_for_nobody(tmp_path: Path) -> None:
    """A drain that has a minute ends at once, and every acknowledged message is stored."""
    data_dir = tmp_path / "data"
    async with (
        aiohttp.ClientSession() as session,
        serving(data_dir, PARLEY_DRAIN_SECONDS="60", **UNLIMITED) as served,
        joined(served, served.service_key, 20) as sockets,
    ):
        rest = served.rest(session)
        channel_id = await rest.new_channel("talk")
        submitting = [asyncio.create_task(keep_submitting(socket, channel_id)) for socket in sockets[:10]]
        served.process.terminate()
        await not_ready(rest)
        await asyncio.gather(*(socket.packet(f"43{NATIVE},3[") for socket in sockets[:10]))
        assert not any(is_closing(socket) for socket in sockets)
        served.process.terminate()
        assert await asyncio.wait_for(served.process.wait(), SECONDS) == 0
        await asyncio.gather(*submitting)
    assert "Traceback" not in served.log.read_text()
    assert len(acknowledged(sockets)) >= 30
    assert acknowledged(sockets).items() <= stored(data_dir).items()


@asynccontextmanager
async def draining(data_dir: Path, seconds: float) -> AsyncIterator[tuple[Parley, AsyncExitStack]]:
    """Run a node with clients that outlive it; closing the stack ends it."""
    async with aiohttp.ClientSession() as session, AsyncExitStack() as stack:
        parley = await stack.enter_async_context(running_parley(data_dir, drain_seconds=seconds))
        yield dataclasses.replace(parley, session=session), stack


async def test_what_was_begun_is_acknowledged_before_its_client_is_let_go(
    engines: list[Engine], tmp_path: Path
) -> None:
    """Submits that wait for the database while the port closes are answered: sockets, polling and REST."""
    async with draining(tmp_path / "data", 4) as (parley, node), raw_websocket(parley) as socket:
        channel_id = await parley.service.new_channel("talk", "ann")
        poller = await open_poller(parley)
        await poller.join(parley.service_key)
        await socket.join(parley.service_key)
        event = f'["submit",{body(channel_id, "hello")}]'
        with held(parley.data_dir):
            socket.say(f"42{NATIVE},7{event}")
            assert await poller.post(f"42{NATIVE},7{event}") == (200, "ok")
            posting = [
                asyncio.create_task(parley.service.submit(channel_id, author_id="ann")) for _ in range(5)
            ]
            ending = asyncio.create_task(node.aclose())
            await asyncio.wait_for(engines[0].draining.closing.wait(), SECONDS)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", parley.node.port)
            assert not is_closing(socket)
        assert {reply.status for reply in await asyncio.gather(*posting)} == {201}
        assert await socket.closed() == 1012
        await poller.hear(lambda: poller.acks == [7])
        assert (await poller.request("GET"))[0] == 400
        await ending
    kept = stored(tmp_path / "data")
    assert len(kept) == 7
    assert acknowledged([socket]).items() <= kept.items()


async def test_nobody_begins_anew_on_an_old_connection(engines: list[Engine], tmp_path: Path) -> None:
    """A client that was let go and still has an open connection is told to come back later."""
    async with draining(tmp_path / "data", 4) as (parley, node), raw_websocket(parley) as socket:
        await socket.join(parley.service_key)
        channel_id = await parley.service.new_channel("talk", "ann")
        with held(parley.data_dir):
            socket.say(f'42{NATIVE},7["submit",{body(channel_id, "hello")}]')
            ending = asyncio.create_task(node.aclose())
            await asyncio.wait_for(engines[0].draining.closing.wait(), SECONDS)
            assert (await parley.anonymous.get(PATH, **POLLING)).refusal == (503, "UNAVAILABLE")
        await ending


async def test_clients_go_in_waves(engines: list[Engine], tmp_path: Path) -> None:
    """Some are gone while others are still there, and each was closed with 1012."""
    async with draining(tmp_path / "data", 1) as (parley, node):
        async with joined(parley, parley.service_key, 60) as sockets:
            ending = asyncio.create_task(node.aclose())
            await until(lambda: 0 < len(engines[0].sockets) < len(sockets))
            assert {await socket.closed() for socket in sockets} == {1012}
        await ending


async def test_every_namespace_is_told(tmp_path: Path) -> None:
    """A client in elizaOS's namespace and in a native one hears it in both; its last argument is no text."""
    async with draining(tmp_path / "data", 1) as (parley, node), raw_websocket(parley) as socket:
        await socket.join(parley.service_key)
        socket.say("40" + orjson.dumps({"token": parley.service_key}).decode())
        await socket.packet('42["authenticated"')
        await node.aclose()
        assert await socket.closed() == 1012
    heads = {packet.partition("[")[0] for packet in socket.packets if "server_draining" in packet}
    assert heads == {"42", f"42{NATIVE},"}
    assert [500 <= notice["retry_after_ms"] <= 5_000 for notice in notices(socket)] == [True, True]


async def test_a_client_that_reads_nothing_holds_the_end_until_its_limit(
    engines: list[Engine], tmp_path: Path
) -> None:
    """What waits for it has the whole time to leave, and no more; the others go before."""
    loop = asyncio.get_running_loop()
    async with draining(tmp_path / "data", 1) as (parley, node), raw_websocket(parley) as deaf:
        secret = await parley.key(Kind.USER, "ann")
        await deaf.join(secret)
        await stop_reading(deaf, engines[0])
        async with joined(parley, secret, 2) as others:
            began = loop.time()
            ending = asyncio.create_task(node.aclose())
            assert {await socket.closed() for socket in others} == {1012}
            assert not ending.done()
        await ending
        assert 1 <= loop.time() - began < SECONDS


async def stop_reading(deaf: RawWebSocket, engine: Engine) -> None:
    """Read no more, and ask for so much that it fills every buffer on the way."""
    (session,) = engine.sockets.values()
    deaf.transport.pause_reading()
    batch = b"".join(text(f'42{NATIVE},{number}["settle"]') for number in range(500))

    def is_full() -> bool:
        if not session.is_busy:
            deaf.send(batch)
        return session._websocket.waiting > 0

    await until(is_full, 30)
