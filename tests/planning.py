"""What the database is asked, and how SQLite goes about it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.running import Parley

Statement = tuple[str, Any]


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


def plan(parley: Parley, statement: Statement) -> list[str]:
    """Return how SQLite goes about a statement, step by step."""
    with closing(sqlite3.connect(parley.data_dir / "parley.db")) as connection:
        text, parameters = statement
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", parameters)]
