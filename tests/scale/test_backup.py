"""A backup that is made while messages pour in, and what is left of it after a restore."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp

from tests.rest import Rest
from tests.running import run_parley, serving

SUBMITTERS = 8
BEFORE, MEANWHILE = 300, 200


class Load:
    """Submitters that send one message after the other, and what was acknowledged to them."""

    def __init__(self, rest: Rest, channel_id: str) -> None:
        self.acknowledged: list[str] = []
        self._rest = rest
        self._channel_id = channel_id
        self._grown = asyncio.Condition()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Submit until the block ends."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._submit()) for _ in range(SUBMITTERS)]
            yield
            for task in tasks:
                task.cancel()

    async def _submit(self) -> None:
        while True:
            content = str(uuid.uuid4())
            assert (await self._rest.submit(self._channel_id, content, author_id="ann")).status == 201
            self.acknowledged.append(content)
            async with self._grown:
                self._grown.notify_all()

    async def more(self, count: int) -> list[str]:
        """Wait for so many more acknowledgements and return all that there are."""
        enough = len(self.acknowledged) + count
        async with self._grown:
            await self._grown.wait_for(lambda: len(self.acknowledged) >= enough)
        return list(self.acknowledged)


def stored(path: Path, statement: str) -> list[Any]:
    """Return the first column of what a database holds."""
    with closing(sqlite3.connect(path)) as opened:
        return [row[0] for row in opened.execute(statement)]


async def test_a_backup_under_load_holds_what_was_acknowledged_before_it(tmp_path: Path) -> None:
    """It is whole, it is for its owner only, its log has another epoch, and a server goes on from it."""
    data, file, elsewhere = tmp_path / "data", tmp_path / "backup.db", tmp_path / "elsewhere"
    async with aiohttp.ClientSession() as session:
        async with serving(data, PARLEY_RATE_LIMITS="off") as served:
            rest = served.rest(session)
            channel_id = await rest.new_channel("talk", "ann")
            load = Load(rest, channel_id)
            async with load.running():
                before = await load.more(BEFORE)
                code, said = await run_parley("backup", str(file), "--data-dir", str(data))
                after = await load.more(MEANWHILE)
        assert (code, f"{file} is a sound backup of" in said) == (0, True), said
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert [name for name in os.listdir(tmp_path) if name.startswith(file.name)] == [file.name]

        code, said = await run_parley("restore", str(file), "--data-dir", str(elsewhere))
        assert code == 0, said
        restored = elsewhere / "parley.db"
        assert stat.S_IMODE(restored.stat().st_mode) == 0o600
        code, said = await run_parley("check", "--data-dir", str(elsewhere))
        assert code == 0, said
        contents = stored(restored, "SELECT content FROM messages ORDER BY seq")
        assert set(before) <= set(contents)
        assert len(after) > len(contents) == len(set(contents))

        epochs = [stored(path, "SELECT epoch FROM servers") for path in (data / "parley.db", file, restored)]
        assert len({epoch for (epoch,) in epochs}) == 3
        async with serving(elsewhere, PARLEY_RATE_LIMITS="off") as served:
            again = Rest(session, served.url, rest.headers)
            reply = await again.submit(channel_id, "here again", author_id="ann")
            assert reply.data["seq"] == stored(file, "SELECT seq FROM servers")[0] + 1
