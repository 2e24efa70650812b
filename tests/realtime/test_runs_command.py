"""``parley runs`` as people use it: beside a server that runs, on a terminal and in a pipe."""

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.rest import API, Rest
from tests.running import COMMAND, DEADLINE, Served, run_parley, serving, stop

WINDOW = struct.pack("HHHH", 30, 160, 0, 0)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Give the directory of the test's server."""
    return tmp_path / "data"


@pytest.fixture
async def served(data_dir: Path) -> AsyncIterator[Served]:
    """Run a server as a process."""
    # What waits for an agent does so for longer than commands take on any machine.
    async with serving(data_dir, PARLEY_RATE_LIMITS="off", PARLEY_RUN_QUEUE_SECONDS="3600") as served:
        yield served


@pytest.fixture
async def service(served: Served) -> AsyncIterator[Rest]:
    """Give a client with every right."""
    async with aiohttp.ClientSession() as session:
        yield served.rest(session)


@asynccontextmanager
async def watching(data_dir: Path, *options: str, stdout: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the command until the block ends."""
    process = await asyncio.create_subprocess_exec(
        *(COMMAND, "runs", "--data-dir", data_dir, *options),
        stdout=stdout,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    try:
        yield process
    finally:
        await stop(process)


async def furnish(service: Rest, data_dir: Path) -> str:
    """Create a channel of ann and an agent, and return its id."""
    key = ("keys", "create", "--data-dir", str(data_dir), "--kind", "agent", "--id", "bot")
    assert (await run_parley(*key))[0] == 0
    return await service.new_channel("talk", "ann", "bot")


async def ask(service: Rest, channel_id: str) -> str:
    """Let ann ask the agent something, and return the id of the run."""
    message = (await service.submit(channel_id, "well?", author_id="ann")).data
    (run,) = (await service.get(f"{API}/messages/{message['id']}/runs")).data["runs"]
    run_id: str = run["id"]
    return run_id


async def answer(service: Rest, run_id: str) -> None:
    """Complete a run for its agent."""
    assert (await service.post(f"{API}/complete", {"run_id": run_id, "response": "well."})).status == 200


async def test_in_a_pipe_each_change_is_a_line(service: Rest, data_dir: Path) -> None:
    """First the runs as they are, and then what becomes of them, while the server serves."""
    channel_id = await furnish(service, data_dir)
    run_id = await ask(service, channel_id)
    async with watching(data_dir, stdout=asyncio.subprocess.PIPE) as process:
        assert process.stdout is not None
        said = []
        for number in range(3):
            async with asyncio.timeout(DEADLINE):
                said.append((await process.stdout.readline()).decode())
            if number == 0:
                await service.post(f"{API}/runs/{run_id}/claim", {})
                await answer(service, run_id)
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), DEADLINE) == 0
    moment = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    for line, state in zip(said, ("queued", "working", "completed"), strict=True):
        assert re.fullmatch(f"{moment}  {run_id}  talk  bot  ann  {state}\n", line)


async def test_on_a_terminal_a_table_is_kept_up_to_date(service: Rest, data_dir: Path) -> None:
    """Each state in its colour; Ctrl-C ends it in peace and gives the cursor back."""
    channel_id = await furnish(service, data_dir)
    run_id = await ask(service, channel_id)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, WINDOW)
    os.set_blocking(master, False)
    screen = Screen(master)
    try:
        async with watching(data_dir, stdout=slave) as process:
            await screen.shows("\x1b[33mqueued\x1b[0m")
            assert "opened (UTC)" in screen.text
            await answer(service, run_id)
            await screen.shows("\x1b[32mcompleted\x1b[0m")
            process.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(process.wait(), DEADLINE) == 0
            await screen.shows("\x1b[?25h")
    finally:
        screen.close()
        os.close(slave)


class Screen:
    """The other end of a terminal, which keeps all that was written to it."""

    def __init__(self, end: int) -> None:
        self._end = end
        self._more = asyncio.Event()
        self.text = ""
        asyncio.get_running_loop().add_reader(end, self._read)

    def _read(self) -> None:
        self.text += os.read(self._end, 65_536).decode()
        self._more.set()

    async def shows(self, part: str) -> None:
        """Wait until this has been written."""
        async with asyncio.timeout(DEADLINE):
            while part not in self.text:
                self._more.clear()
                await self._more.wait()

    def close(self) -> None:
        """Let the terminal go."""
        asyncio.get_running_loop().remove_reader(self._end)
        os.close(self._end)


async def test_once_prints_the_table_and_ends(service: Rest, data_dir: Path) -> None:
    """Of all runs, or of those that are asked for; a channel that there is not is told."""
    channel_id = await furnish(service, data_dir)
    await answer(service, await ask(service, channel_id))
    await ask(service, channel_id)

    async def states(*options: str) -> list[str]:
        code, said = await run_parley("runs", "--once", "--data-dir", str(data_dir), *options)
        assert code == 0, said
        heading, *rows = said.splitlines()
        assert heading.split()[-2:] == ["age", "left"]
        return [row.split()[5] for row in rows]

    assert await states() == ["queued", "completed"]
    assert await states("--limit", "1") == ["queued"]
    assert await states("--state", "completed", "--agent", "bot", "--channel", "talk") == ["completed"]
    assert await states("--channel", channel_id) == ["queued", "completed"]
    assert await states("--agent", "other") == []
    code, said = await run_parley("runs", "--once", "--data-dir", str(data_dir), "--channel", "nowhere")
    assert (code, said) == (1, "parley: There is no channel with the name or id 'nowhere'\n")
