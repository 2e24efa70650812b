"""What the database is asked, and how SQLite goes about it."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.running import Parley

Statement = tuple[str, Any]

# Tasks in which a node looks by itself for what is due, whenever it is.
OWN = {"courier", "expiry", "retention", "runs", "sessions", "sharing", "streams"}


@contextmanager
def noting_statements() -> Iterator[list[Statement]]:
    """Give what the database is asked until the block ends."""
    noted: list[Statement] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        noted.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield noted
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@contextmanager
def noting_reads(parley: Parley) -> Iterator[list[str]]:
    """Give the names of the tasks that ask the database until the block ends, but for the node's own."""
    noted: list[str] = []
    database = parley.node.ctx.database
    read = database.read

    async def note(*arguments: Any) -> Any:
        task = asyncio.current_task()
        name = task.get_name() if task else ""
        if name not in OWN:
            noted.append(name)
        return await read(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "read", note)
        yield noted


def plan(parley: Parley, statement: Statement) -> list[str]:
    """Return how SQLite goes about a statement, step by step."""
    with closing(sqlite3.connect(parley.data_dir / "parley.db")) as connection:
        text, parameters = statement
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", parameters)]
