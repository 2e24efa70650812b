"""SIGTERM: what was begun is finished, what is idle is closed, and nobody can keep the process alive."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from server.first_start import GENERAL_ID
from tests.rest import API
from tests.running import Served, serving

PATIENCE = 30.0
SECONDS = "2"  # of a drain that somebody does not let end
BODY = orjson.dumps({"channel_id": GENERAL_ID, "author_id": "ann", "content": "the last word"})


@asynccontextmanager
async def connected(served: Served) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a TCP connection to the process."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
    try:
        yield reader, writer
    finally:
        writer.close()


@asynccontextmanager
async def idle(served: Served) -> AsyncIterator[asyncio.StreamReader]:
    """Open a connection that has been served and asks for nothing more."""
    async with connected(served) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.split(b"Content-Length: ")[1].split()[0]))
        yield reader


async def begin(served: Served, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send the headers of a message, until the server asks for its body."""
    writer.write(
        f"POST {API}/submit HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {served.service_key}\r\nContent-Length: {len(BODY)}\r\n"
        "Expect: 100-continue\r\n\r\n".encode()
    )
    assert b"100" in await reader.readuntil(b"\r\n\r\n")


async def test_what_was_begun_is_finished_and_what_is_idle_is_closed_at_once(tmp_path: Path) -> None:
    """A message whose body is still on its way, and then waits for the database, is stored and answered."""
    data = tmp_path / "data"
    async with (
        serving(data) as served,
        connected(served) as (reader, writer),
        idle(served) as unused,
        asyncio.timeout(PATIENCE),
    ):
        await begin(served, reader, writer)
        writer.write(BODY[:10])
        busy = sqlite3.connect(data / "parley.db", isolation_level=None)
        busy.execute("BEGIN IMMEDIATE")
        served.process.terminate()
        assert await unused.read() == b""
        writer.write(BODY[10:])
        busy.execute("ROLLBACK")
        busy.close()
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 201 ")
        assert b"\r\nConnection: close\r\n" in head
        await reader.read()
        assert await served.process.wait() == 0
    with sqlite3.connect(data / "parley.db") as stored:
        assert stored.execute("SELECT content FROM messages").fetchall() == [("the last word",)]
    stored.close()


async def test_nobody_is_served_any_more(tmp_path: Path) -> None:
    """While the last requests are finished, new connections are refused."""
    async with (
        serving(tmp_path / "data", PARLEY_DRAIN_SECONDS=SECONDS) as served,
        connected(served) as (reader, writer),
    ):
        await begin(served, reader, writer)
        async with idle(served) as unused:
            served.process.terminate()
            await unused.read()
        with pytest.raises(ConnectionRefusedError):
            async with connected(served):
                pass


async def test_a_client_that_does_not_end_does_not_keep_the_process(tmp_path: Path) -> None:
    """Half a body, half a request, a body that nobody wants, and an answer that nobody reads."""
    async with (
        serving(tmp_path / "data", PARLEY_DRAIN_SECONDS=SECONDS) as served,
        connected(served) as (reader, writer),
        connected(served) as (_, half),
        connected(served) as (refused, unwanted),
        connected(served) as (_, deaf),
    ):
        await begin(served, reader, writer)
        half.write(b"GET /healthz HTTP/1.1\r\n")
        unwanted.write(b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
        await refused.readuntil(b"\r\n\r\n")
        deaf.write(b"GET /vendor/socket.io-client-4.8.4.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1_000)
        served.process.terminate()
        async with asyncio.timeout(PATIENCE):
            assert await served.process.wait() == 0
