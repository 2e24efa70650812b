"""Databases that have today's schema from the beginning: it is made once in a run, and copied."""

import asyncio
import functools
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rooms import database, schema


def migrate(url: str) -> None:
    """Bring a database up to today's schema, as ``parley migrate`` does."""
    # In a thread: in this one, a test's loop may be running.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _migrate(url)).result()


def lay_out(file: Path) -> None:
    """Make an SQLite database with today's schema and nothing in it, unless there is one already."""
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_bytes(_migrated_file())


@functools.cache
def _migrated_file() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "parley.db"
        migrate(f"sqlite:///{file}")
        return file.read_bytes()


async def _migrate(url: str) -> None:
    opened = database.connect(url)
    try:
        await schema.upgrade(opened)
    finally:
        await opened.close()
