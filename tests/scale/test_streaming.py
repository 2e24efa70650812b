"""What is left of a reply whose agent, or whose server, is killed while it is being streamed."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.rest import Rest
from tests.returning import Returner
from tests.running import DEADLINE, Served, run_parley, serving, stop
from tests.scale.streamer import PAUSE_SECONDS
from tests.streaming import shown

LEASE_SECONDS = 4
# Words of a second, and of the time that writing them takes.
LOST_AT_MOST = 2 / PAUSE_SECONDS
ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def streaming(url: str, key: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the agent as a process until the block ends."""
    arguments = (sys.executable, "-m", "tests.scale.streamer", url, key)
    process = await asyncio.create_subprocess_exec(
        *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        await stop(process)


class Scene:
    """A data directory with a channel of ann and the agent bot, and who listens there."""

    def __init__(self, data_dir: Path, session: aiohttp.ClientSession) -> None:
        self.data_dir = data_dir
        self._session = session
        self.service_key = self.agent_key = self.channel_id = ""

    def serving(self, port: int = 0) -> AbstractAsyncContextManager[Served]:
        """Run a server on the data."""
        settings = {"PARLEY_RUN_LEASE_SECONDS": str(LEASE_SECONDS), "PARLEY_RATE_LIMITS": "off"}
        return serving(self.data_dir, port=port, **settings)

    async def furnish(self, served: Served) -> None:
        """Create the channel in a server that has started for the first time."""
        self.service_key = served.service_key or ""
        where = ("--data-dir", str(self.data_dir))
        code, said = await run_parley("keys", "create", "--kind", "agent", "--id", "bot", *where)
        assert code == 0, said
        self.agent_key = re.findall(r"parley_[\w-]{43}", said)[0]
        self.channel_id = await self.rest(served).new_channel("talk", "ann", "bot")

    def rest(self, served: Served) -> Rest:
        """Return a client with every right."""
        return Rest(self._session, served.url, {"Authorization": f"Bearer {self.service_key}"})

    @asynccontextmanager
    async def listening(self, served: Served) -> AsyncIterator[Returner]:
        """Let ann listen until the block ends."""
        ann = Returner(served.url, {"token": self.service_key, "entityId": "ann"})
        await ann.connect()
        try:
            yield ann
        finally:
            await ann.close()

    async def ask(self, served: Served, ann: Returner, process: asyncio.subprocess.Process) -> None:
        """Ask something until the agent has said a good part of its answer."""
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), DEADLINE) == b"here\n"
        await self.rest(served).submit(self.channel_id, "tell me everything", author_id="ann")
        await ann.hears("stream", 120)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """Give a data directory on which no server has started yet."""
    async with aiohttp.ClientSession() as session:
        yield Scene(tmp_path / "data", session)


async def the_end(ann: Returner) -> str:
    """Return what is left of the reply; its end must be told as it is."""
    (end,) = await ann.hears("complete")
    (reply,) = [message for message in ann.all("message") if message["agentId"] == "bot"]
    assert (end["state"], end["reason"], end["reply_id"]) == ("timed_out", "lease", reply["id"])
    assert reply["metadata"]["partial"] is True
    return str(reply["text"])


async def test_a_killed_agents_reply_is_closed_with_everything_that_was_shown(scene: Scene) -> None:
    """After the lease the part is the reply, and the run is over."""
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(scene.serving())
        await scene.furnish(served)
        ann = await stack.enter_async_context(scene.listening(served))
        agent = await stack.enter_async_context(streaming(served.url, scene.agent_key))
        await scene.ask(served, ann, agent)
        agent.kill()
        text = await the_end(ann)
        assert text == shown(ann.all("stream"))


async def test_a_killed_servers_streams_are_closed_when_it_is_back(scene: Scene) -> None:
    """With what was shown, but for the last second at most; who comes back sees that before the end."""
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(scene.serving())
        await scene.furnish(served)
        ann = await stack.enter_async_context(scene.listening(served))
        agent = await stack.enter_async_context(streaming(served.url, scene.agent_key))
        await scene.ask(served, ann, agent)
        served.process.kill()
        await ann.ended()
        agent.kill()
        before = shown(ann.all("stream"))
        pieces = len(ann.all("stream"))
        again = await stack.enter_async_context(scene.serving(int(served.url.rpartition(":")[2])))
        await ann.connect()
        left = await the_end(ann)
        assert ann.recovered
        assert before.startswith(left)
        assert len(before.split()) - len(left.split()) < LOST_AT_MOST
        # If the lease was not over yet, she was shown first what there was.
        assert shown(ann.all("stream")[pieces:]) in (left, "")
        assert (await scene.rest(again).texts(scene.channel_id))[-1] == left
