"""``parley serve`` ends when it is told to, whatever its clients have open."""

import asyncio
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import orjson
import pytest

from tests.realtime.raw import RawSocket, handshake, raw_connection, raw_websocket, text
from tests.running import Served, run_parley, serving
from tests.talking import NATIVE

SECONDS = 20.0
POLLING = b"/socket.io/?EIO=4&transport=polling"
HTTP = b" HTTP/1.1\r\nHost: localhost\r\n"
LENGTH = b"Content-Length: 99\r\n\r\n{"


async def opened(connection: RawSocket) -> bytes:
    """Open a polling session, and return its id."""
    connection.send(b"GET " + POLLING + HTTP + b"\r\n")
    await connection.have(lambda: connection.received.endswith(b"}"))
    sid: str = orjson.loads(connection.received.partition(b"\r\n\r\n0")[2])["sid"]
    return sid.encode()


async def open_everything(served: Served, clients: AsyncExitStack, secret: str) -> list[RawSocket]:
    """Open connections of every kind, and bring each into the middle of something."""

    async def connect() -> RawSocket:
        return await clients.enter_async_context(raw_connection(served))

    idle = await connect()
    polling, posting, submitting, greeting, asking = [await connect() for _ in range(5)]
    sid = await opened(polling)
    polling.send(b"GET " + POLLING + b"&sid=" + sid + HTTP + b"\r\n")
    posting.send(b"POST " + POLLING + b"&sid=" + await opened(posting) + HTTP + LENGTH)
    bearer = f"Authorization: Bearer {secret}\r\nContent-Type: application/json\r\n".encode()
    submitting.send(b"POST /api/messaging/submit" + HTTP + bearer + LENGTH)
    greeting.send(handshake()[:-3])
    asking.send(b"GET /healthz HTTP/1.1\r\nHo")
    early = await clients.enter_async_context(raw_websocket(served))
    probing = await clients.enter_async_context(raw_websocket(served, (await opened(idle)).decode()))
    probing.say("2probe")
    await probing.packet("3probe")
    deaf = await clients.enter_async_context(raw_websocket(served))
    await deaf.join(secret)
    deaf.transport.pause_reading()
    deaf.send(b"".join(text(f'42{NATIVE},{number}["settle"]') for number in range(5_000)))
    return [idle, polling, posting, submitting, greeting, asking, early, probing]


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT], ids=lambda told: told.name)
async def test_the_process_ends_whatever_is_open(tmp_path: Path, told: signal.Signals) -> None:
    """Polls, WebSockets, half requests and clients that do not read: the end is near, clean and told."""
    data_dir = tmp_path / "data"
    settings = {"PARLEY_RATE_LIMITS": "off", "PARLEY_DRAIN_SECONDS": "2"}
    async with serving(data_dir, **settings) as served, AsyncExitStack() as clients:
        assert served.service_key is not None
        connections = await open_everything(served, clients, served.service_key)
        joined = await clients.enter_async_context(raw_websocket(served))
        await joined.join(served.service_key)
        async with aiohttp.ClientSession() as session:
            assert (await served.rest(session).get("/healthz")).status == 200
        served.process.send_signal(told)
        assert await asyncio.wait_for(served.process.wait(), SECONDS) == 0
        assert await joined.closed() == 1012
        for connection in connections:
            await connection.over()
    assert "Traceback" not in served.log.read_text()
    code, said = await run_parley("check", "--data-dir", str(data_dir))
    assert code == 0, said
