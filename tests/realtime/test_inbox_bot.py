"""The agent without a library, as users run it beside a real server."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from tests.rest import API, Rest
from tests.running import run_parley, serving, stop

BOT = Path(__file__).parents[2] / "scripts" / "inbox_bot.py"


@asynccontextmanager
async def running_bot(key: str, url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the bot until the block ends."""
    environment = {"PARLEY_KEY": key, "PARLEY_URL": url, "PYTHONUNBUFFERED": "1"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, BOT, "my-bot"), stdout=asyncio.subprocess.PIPE, env={**os.environ, **environment}
    )
    try:
        yield process
    finally:
        await stop(process)


async def ask(client: Rest, channel_id: str, text: str) -> str:
    """Let ann say something, wait until that is answered, and return how its run has ended."""
    said = (await client.submit(channel_id, text, author_id="ann")).data
    (run,) = (await client.get(f"{API}/messages/{said['id']}/runs", wait=30)).data["runs"]
    state: str = run["state"]
    return state


async def test_it_answers_once_and_comes_back_when_the_server_does(tmp_path: Path) -> None:
    """Two processes of it answer each message once, also what was said while they were away."""
    data_dir = tmp_path / "data"
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        async with serving(data_dir) as served:
            options = ("--data-dir", str(data_dir), "--kind", "agent", "--id", "my-bot")
            key = (await run_parley("keys", "create", *options))[1].strip()
            client = served.rest(session)
            channel_id = await client.new_channel("talk", "ann", "my-bot")
            for _ in range(2):
                await stack.enter_async_context(running_bot(key, served.url))
            assert await ask(client, channel_id, "hello") == "completed"
            served.process.kill()
            await served.process.wait()
        async with serving(data_dir, port=int(served.url.rpartition(":")[2])):
            assert await ask(client, channel_id, "and again") == "completed"
            assert await client.texts(channel_id) == [
                *("hello", "You said: hello"),
                *("and again", "You said: and again"),
            ]
