"""Whoever waits for a log over HTTP costs next to nothing, and holds nobody up."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from benchmarks.process import allow_open_files
from server.followers import Follower, Followers
from tests.following import EVENTS, following, poll, say, texts
from tests.planning import noting_reads
from tests.realtime.raw import raw_connection, until
from tests.rest import API, Reply, Rest
from tests.running import DEADLINE, Parley, Served, Start, running_parley, serving

CROWD = 1_000


async def test_a_stream_ends_with_its_key(parley: Parley, ann: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A revoked key ends the stream at its next beat; others go on."""
    monkeypatch.setattr("handlers.sse.BEAT_SECONDS", 0.05)
    async with following(ann) as stream, following(await parley.user("ben")) as other:
        await parley.revoke(ann)
        await stream.end()
        assert await other.block() is not None


async def test_a_poll_tells_nothing_to_a_key_that_was_revoked_meanwhile(
    parley: Parley, ann: Rest, channel_id: str, waits: list[Follower]
) -> None:
    """The key is looked at again before a poll that had to wait is answered."""
    asked = asyncio.create_task(ann.get(EVENTS, wait=55))
    await until(lambda: len(waits) == 1)
    await parley.revoke(ann)
    await say(parley, channel_id, "secret")
    assert (await asked).refusal == (401, "AUTHENTICATION_FAILED")


async def test_a_client_that_goes_is_forgotten(
    start: Start, present: list[Followers], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Streams and polls whose client has gone end by themselves, leave nothing, and are no failure."""
    monkeypatch.setattr("handlers.sse.BEAT_SECONDS", 0.05)
    parley = await start()
    ann = await parley.user("ann")
    channel_id = await parley.service.new_channel("talk", "ann", "ben")
    async with following(ann) as stream, following(parley.service):
        asked = asyncio.create_task(poll(ann, wait=55, channel_id=channel_id))
        await until(lambda: len(present[0]._present) == 3)
        await parley.service.remove(channel_id, "ann")
        await stream.wait_for("participant_left")
    asked.cancel()
    await until(lambda: not present[0]._present)
    fanout = present[0]._fanout
    assert (fanout._rooms, fanout._shown_all, dict(fanout._connections)) == ({}, {}, {})
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def ask_all(session: aiohttp.ClientSession, client: Rest) -> list[asyncio.Task[Reply]]:
    """Begin a thousand polls, both ends of which are in this process."""
    allow_open_files(2 * CROWD + 500)
    crowd = Rest(session, client.url, client.headers)
    return [asyncio.create_task(crowd.get(EVENTS, wait=55)) for _ in range(CROWD)]


async def test_a_thousand_who_wait_read_nothing_and_end_when_the_node_does(
    tmp_path: Path, waits: list[Follower], present: list[Followers]
) -> None:
    """While nothing is said to them the database is not asked; a stop answers all of them."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        async with running_parley(tmp_path / "data") as parley:
            ann = await parley.user("ann")
            asked = await ask_all(session, ann)
            await until(lambda: len(set(waits)) == CROWD)
            with noting_reads(parley) as reads:
                for _ in range(2):
                    waits.clear()
                    present[0].ring_all()
                    await until(lambda: len(waits) == CROWD)
            assert reads == []
        replies = await asyncio.gather(*asked)
    assert all(reply.data["events"] == [] for reply in replies)


async def test_a_thousand_who_wait_all_hear_what_is_said(
    parley: Parley, ann: Rest, channel_id: str, waits: list[Follower]
) -> None:
    """One message answers every poll with the same event."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        asked = await ask_all(session, ann)
        await until(lambda: len(waits) == CROWD)
        await say(parley, channel_id, "hello")
        assert {tuple(texts(reply.data)) for reply in await asyncio.gather(*asked)} == {("hello",)}


async def test_streams_end_when_the_node_does(tmp_path: Path) -> None:
    """A stop ends them as an answer ends, so that clients come back by themselves."""
    async with (
        aiohttp.ClientSession() as session,
        serving(tmp_path / "data") as served,
        following(served.rest(session)) as stream,
    ):
        served.process.terminate()
        await stream.end()
        assert await asyncio.wait_for(served.process.wait(), DEADLINE) == 0


BLOB = "x" * 30_000
ROUNDS, IN_ONE = 30, 30


def resident(served: Served) -> int:
    """Return how many bytes of memory a server's process holds."""
    status = Path(f"/proc/{served.process.pid}/status").read_text()
    return 1024 * int(status.split("VmRSS:")[1].split()[0])


async def flood(client: Rest, channel_id: str) -> None:
    """Say 27 MB."""
    item = {"channel_id": channel_id, "author_id": "ben", "content": "x", "raw_message": {"blob": BLOB}}
    for _ in range(ROUNDS):
        assert (await client.post(f"{API}/submit/batch", {"messages": [item] * IN_ONE})).status == 201


@asynccontextmanager
async def reading_slowly(served: Served) -> AsyncIterator[socket.socket]:
    """Begin a stream of which the client reads no more than it asks for, a byte at a time."""
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        slow.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(slow, ("127.0.0.1", int(served.url.rpartition(":")[2])))
        head = f"GET {EVENTS} HTTP/1.1\r\nHost: localhost\r\nX-API-KEY: {served.service_key}\r\n\r\n"
        await loop.sock_sendall(slow, head.encode())
        assert await loop.sock_recv(slow, 15) == b"HTTP/1.1 200 OK"
        yield slow


async def test_a_client_that_reads_a_byte_at_a_time_costs_no_memory(tmp_path: Path) -> None:
    """What it has not taken is not kept for it; everybody else is served meanwhile."""
    async with (
        serving(tmp_path / "data", PARLEY_RATE_LIMITS="off") as served,
        aiohttp.ClientSession() as session,
    ):
        client = served.rest(session)
        channel_id = await client.new_channel("talk", "ben")
        await flood(client, channel_id)
        before = resident(served)
        async with reading_slowly(served) as slow, following(client) as stream:
            flooding = asyncio.create_task(flood(client, channel_id))
            while len(stream.all("message")) < ROUNDS * IN_ONE:
                assert await stream.block() is not None
                assert len(await asyncio.get_running_loop().sock_recv(slow, 1)) == 1
            await flooding
            assert resident(served) - before < 12_000_000


async def test_a_client_that_takes_nothing_is_cut_off(
    start: Start, present: list[Followers], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that makes no room in time ends the stream; the cursor heals that."""
    monkeypatch.setattr("server.parked.WRITE_SECONDS", 0.3)
    parley = await start()
    channel_id = await parley.service.new_channel("talk", "ben")
    async with raw_connection(parley) as deaf:
        deaf.transport.pause_reading()
        key = parley.service_key
        deaf.send(f"GET {EVENTS} HTTP/1.1\r\nHost: localhost\r\nX-API-KEY: {key}\r\n\r\n".encode())
        await until(lambda: len(present[0]._present) == 1)
        await flood(parley.service, channel_id)
        await until(lambda: not present[0]._present)
