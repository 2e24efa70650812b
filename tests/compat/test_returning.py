"""A stock client whose connection is cut comes back by itself, and what it repeats is stored once."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rooms import messages
from rooms.principals import Kind
from server.engine import Engine
from server.websocket import NORMAL, RESTART, TRY_LATER
from tests.rest import Rest
from tests.running import Parley, Served, Start, run_parley, serving
from tests.talking import NATIVE

SCRIPT = Path(__file__).parent / "returning.mjs"
PATIENCE = 60.0
COUNT = 60
TEXTS = [f"message {n}" for n in range(COUNT)]

WAYS = {"polling": {"transports": ["polling"]}, "websocket": {"transports": ["websocket"]}, "upgrading": {}}
way = pytest.mark.parametrize("way", WAYS)


class Returning:
    """The client, and what it has seen so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.seen: list[dict[str, Any]] = []

    def all(self, kind: str) -> list[Any]:
        """Return what it saw of one kind."""
        return [line[kind] for line in self.seen if kind in line]

    async def sees(self, met: Callable[[], bool]) -> None:
        """Read what it sees until that meets a condition."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while not met():
                self.seen.append(json.loads(await self.process.stdout.readline()))
                assert "given up" not in self.seen[-1]

    def assert_answered_in_order(self) -> list[int]:
        """Check that each submit was acknowledged once, in order, and return the messages' seqs."""
        assert self.all("ack") == list(range(COUNT))
        answers = [answer["data"] for answer in self.all("payload")]
        assert [answer["text"] for answer in answers] == TEXTS
        seqs = [answer["seq"] for answer in answers]
        assert seqs == sorted(set(seqs))
        return seqs


@asynccontextmanager
async def returning(node: str, url: str, secret: str, way: str, **payload: Any) -> AsyncIterator[Returning]:
    """Run the client until the block ends."""
    body = {"content": "message $n", "messageId": "attempt-$n", **payload}
    options = {"auth": {"token": secret}, **WAYS[way]}
    process = await asyncio.create_subprocess_exec(
        node,
        SCRIPT,
        json.dumps({"url": url + NATIVE, "options": options, "payload": body, "count": COUNT}),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**20,
    )
    assert process.stdin is not None
    try:
        yield Returning(process)
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.communicate(), PATIENCE)


def cut(engine: Engine, how: int | None) -> None:
    """Close every client's transport with a code, or drop it without a word."""
    for session in list(engine.sockets.values()):
        if how is None and session._websocket is not None:
            session._websocket.abort()
        else:
            session.close(NORMAL if how is None else how)


CUTS = {"normal": NORMAL, "restart": RESTART, "try later": TRY_LATER, "without a word": None}


@way
@pytest.mark.parametrize("how", CUTS.values(), ids=CUTS)
async def test_a_client_that_is_cut_off_repeats_itself_and_is_stored_once(
    node: str,
    start: Start,
    engines: list[Engine],
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    how: int | None,
) -> None:
    """Ten times the transport goes between a commit and its ack: the client comes back, and goes on."""
    parley = await start()
    channel_id = await parley.service.new_channel("talk", "ann")
    begin, submitted = messages.begin, 0

    async def begin_and_cut(*arguments: Any) -> Any:
        nonlocal submitted
        outcome = await begin(*arguments)
        await asyncio.wait([outcome])
        submitted += 1
        if submitted % 7 == 3 and submitted < 70:
            cut(engines[0], how)
        return outcome

    monkeypatch.setattr(messages, "begin", begin_and_cut)
    secret = await parley.key(Kind.USER, "ann")
    async with returning(node, parley.url, secret, way, channel_id=channel_id) as client:
        await client.sees(lambda: len(client.all("ack")) == COUNT)
        client.assert_answered_in_order()
        assert len(client.all("disconnect")) == len(client.all("connect")) - 1 == 10
        assert submitted == COUNT + 10
        monkeypatch.undo()
        await hears_others(parley, client, channel_id)
    assert await parley.service.texts(channel_id, limit=200) == [*TEXTS, "after all"]


async def hears_others(parley: Parley, client: Returning, channel_id: str) -> None:
    """Check that the client hears what is said after it came back."""
    await parley.service.submit(channel_id, "after all", author_id="ann")
    await client.sees(lambda: "after all" in client.all("heard"))
    assert len(client.all("heard")) == len(set(client.all("heard")))


EVERY_WAY = [(way, end) for way in WAYS for end in ("terminate", "kill")]
SOME_WAYS = [("polling", "terminate"), ("websocket", "kill"), ("upgrading", "terminate")]


@pytest.mark.parametrize(("way", "end"), EVERY_WAY if os.environ.get("PARLEY_TEST_LONG") else SOME_WAYS)
async def test_a_client_outlives_the_server(node: str, tmp_path: Path, way: str, end: str) -> None:
    """A server that ends, or is killed, and starts again on its data finds its client still talking."""
    # Without time for a drain, so that the client is cut off in the middle.
    data_dir, limits = tmp_path / "data", {"PARLEY_RATE_LIMITS": "off", "PARLEY_DRAIN_SECONDS": "0"}
    async with aiohttp.ClientSession() as session:
        async with serving(data_dir, **limits) as served:
            channel_id = await served.rest(session).new_channel("talk", "ann")
            key, port = served.service_key, int(served.url.rpartition(":")[2])
        assert key is not None
        said = {"channel_id": channel_id, "author_id": "ann"}
        async with returning(node, served.url, key, way, **said) as client:
            for due in (20, 40):
                async with serving(data_dir, port=port, **limits) as served:
                    await client.sees(lambda due=due: len(client.all("ack")) >= due)
                    await ended(served, end)
            async with serving(data_dir, port=port, **limits) as served:
                rest = Rest(session, served.url, {"Authorization": f"Bearer {key}"})
                await client.sees(lambda: len(client.all("ack")) == COUNT)
                client.assert_answered_in_order()
                assert await rest.texts(channel_id, limit=200) == TEXTS
    code, report = await run_parley("check", "--data-dir", str(data_dir))
    assert code == 0, report


async def ended(served: Served, end: str) -> None:
    """End a server in the way that is told, and wait until it is over."""
    getattr(served.process, end)()
    await asyncio.wait_for(served.process.wait(), PATIENCE)


@way
async def test_a_client_that_was_let_go_comes_back(node: str, tmp_path: Path, way: str) -> None:
    """It hears that the server drains, has every answer, and finds the one that starts on the same port."""
    data_dir, settings = tmp_path / "data", {"PARLEY_RATE_LIMITS": "off", "PARLEY_DRAIN_SECONDS": "2"}
    async with aiohttp.ClientSession() as session, AsyncExitStack() as clients:
        async with serving(data_dir, **settings) as served:
            channel_id = await served.rest(session).new_channel("talk", "ann")
            assert served.service_key is not None
            said = {"channel_id": channel_id, "author_id": "ann"}
            running = returning(node, served.url, served.service_key, way, **said)
            client = await clients.enter_async_context(running)
            await client.sees(lambda: len(client.all("ack")) >= 20)
            await ended(served, "terminate")
            await client.sees(lambda: client.all("disconnect") != [])
        assert served.process.returncode == 0
        (notice,) = client.all("draining")
        assert 500 <= notice["retry_after_ms"] <= 5_000
        async with serving(data_dir, port=int(served.url.rpartition(":")[2]), **settings):
            await client.sees(lambda: len(client.all("connect")) == 2 and len(client.all("ack")) == COUNT)
            client.assert_answered_in_order()
