"""The documentation's client for sessions, in node: it loses its session, and begins another one."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rooms.principals import Kind
from tests.running import Parley, Start, running_parley
from tests.sessions import MINUTE, SESSIONS, Clock

SCRIPT = Path(__file__).parent / "sessions.mjs"
PATIENCE = 60.0

Obey = Callable[[dict[str, Any]], Awaitable[Any]]


@asynccontextmanager
async def using(node: str, url: str, secret: str | None = None) -> AsyncIterator[Obey]:
    """Run the client until the block ends, and give what has it do something and returns what came of it."""
    about = {"url": url, "agentId": "bot", "userId": "ann", "secret": secret}
    process = await asyncio.create_subprocess_exec(
        node, SCRIPT, json.dumps(about), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None
    assert stdout is not None

    async def obey(command: dict[str, Any]) -> Any:
        stdin.write(json.dumps(command).encode() + b"\n")
        async with asyncio.timeout(PATIENCE):
            return json.loads(await stdout.readline())

    try:
        yield obey
    finally:
        stdin.close()
        await asyncio.wait_for(process.wait(), PATIENCE)


@pytest.fixture(params=["open", "keyed"])
async def served(request: pytest.FixtureRequest, start: Start) -> tuple[Parley, str | None]:
    """Give a node that asks for no credential, and one that does, with what the client sends then."""
    parley = await start(auth=request.param)
    await parley.key(Kind.AGENT, "bot")
    return parley, None if request.param == "open" else await parley.key(Kind.USER, "ann")


async def test_the_documented_client_survives_the_end_of_its_session(
    node: str, served: tuple[Parley, str | None]
) -> None:
    """Create, heartbeat, send, expire, 410, create another one, send: not a line of it is changed."""
    parley, secret = served
    clock = Clock.of(parley)
    async with using(node, parley.url, secret) as obey:
        first = await obey({"send": "hello"})
        assert (first["sent"]["success"], first["sent"]["content"]) == (True, "hello")
        for _ in range(4):
            clock.now += 25 * MINUTE
            beat = await obey({"heartbeat": True})
            assert (beat["status"], beat["body"]["sessionId"]) == (200, first["sessionId"])
        assert (await obey({"send": "still here"}))["sessionId"] == first["sessionId"]
        clock.now += 31 * MINUTE
        gone = await obey({"heartbeat": True})
        assert (gone["status"], gone["body"]["error"]["code"]) == (410, "SESSION_EXPIRED")
        second = await obey({"send": "anew"})
        assert (second["sent"]["success"], second["sent"]["content"]) == (True, "anew")
        assert second["sessionId"] != first["sessionId"]
        assert (await obey({"heartbeat": True}))["body"]["sessionId"] == second["sessionId"]
    found = (await parley.service.get(SESSIONS, userId="ann", agentId="bot")).body["sessions"]
    assert [one["sessionId"] for one in found] == [second["sessionId"], first["sessionId"]]
    assert await parley.service.texts(found[1]["channelId"]) == ["hello", "still here"]


async def test_the_documented_client_goes_on_after_a_restart(node: str, tmp_path: Path) -> None:
    """Its session is there again, with all that was said."""
    data = tmp_path / "data"
    async with AsyncExitStack() as stack:
        async with running_parley(data, auth="open") as parley:
            await parley.key(Kind.AGENT, "bot")
            port = parley.node.port
            obey = await stack.enter_async_context(using(node, parley.url))
            first = await obey({"send": "before"})
        async with running_parley(data, auth="open", port=port) as parley:
            second = await obey({"send": "after"})
            (session,) = (await parley.anonymous.get(SESSIONS)).body["sessions"]
            assert await parley.anonymous.texts(session["channelId"]) == [
                "after",
                "before",
            ]  # elizaOS's order
    assert first["sessionId"] == second["sessionId"] == session["sessionId"]
