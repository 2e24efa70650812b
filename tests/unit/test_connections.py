"""Connections that HTTP is read from: what an answer costs that nobody reads, or that is over."""

import asyncio
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
from aiohttp import web

from server import connections
from server.connections import Connections

SOON = 0.02


@pytest.fixture
async def opened(monkeypatch: pytest.MonkeyPatch) -> Connections:
    """Give connections whose answers must leave soon."""
    monkeypatch.setattr(connections, "ANSWER_SECONDS", SOON)
    return Connections(web.Server(_never))


async def _never(_request: web.BaseRequest) -> Any:
    raise AssertionError("nothing was asked")


async def test_an_answer_that_nobody_reads_is_dropped(opened: Connections) -> None:
    """One that its client went on reading is not, and neither is one whose deadline is a later one."""
    dropped: asyncio.Queue[str] = asyncio.Queue()
    made = {}
    for name in ("reads", "reads again", "does not read"):
        made[name] = opened()
        transport = Mock(asyncio.Transport)
        transport.abort.side_effect = lambda name=name: dropped.put_nowait(name)
        made[name].connection_made(transport)
        made[name].pause_writing()
    made["reads"].resume_writing()
    made["reads again"].resume_writing()
    made["reads again"].pause_writing()
    assert [await dropped.get(), await dropped.get()] == ["does not read", "reads again"]
    assert dropped.empty()
    for connection in made.values():
        connection.connection_lost(None)
    await opened.stop()


async def test_an_answer_that_has_left_is_not_kept() -> None:
    """A client that keeps its connection costs no more for what it was told last."""
    answers: list[web.Response] = []

    async def answer(_request: web.BaseRequest) -> web.Response:
        answers.append(web.Response(body=b"x" * 10_000))
        return answers[-1]

    kept = Connections(web.Server(answer))
    server = await asyncio.get_running_loop().create_server(kept, "127.0.0.1", 0)
    async with server, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        for _ in range(2):
            async with session.get(url) as response:
                assert len(await response.read()) == 10_000
        await session.close()
    await kept.stop()
    assert [one.body for one in answers] == [None, None]
