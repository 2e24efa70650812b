"""What a stopped server's SQLite file holds, against what its clients were told."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from pathlib import Path

from benchmarks import process
from benchmarks.failure import BenchmarkFailed


def verify(data_dir: Path, acknowledged: Counter[str]) -> None:
    """Raise BenchmarkFailed unless each author's messages are there, exactly as many as acknowledged."""
    process.check(data_dir)
    stored = count_by_author(data_dir)
    if stored != acknowledged:
        lost, surplus = acknowledged - stored, stored - acknowledged
        raise BenchmarkFailed(
            f"{acknowledged.total()} messages were acknowledged and {stored.total()} are stored: "
            f"{lost.total()} are lost and {surplus.total()} nobody was told about"
        )


def verify_count(data_dir: Path, acknowledged: int) -> None:
    """Raise BenchmarkFailed unless there are as many messages as were acknowledged."""
    process.check(data_dir)
    stored = count_by_author(data_dir).total()
    if stored != acknowledged:
        raise BenchmarkFailed(f"{acknowledged} messages were acknowledged and {stored} are stored")


def count_by_author(data_dir: Path) -> Counter[str]:
    """Return how many messages each author has in the file."""
    with contextlib.closing(sqlite3.connect(data_dir / "parley.db")) as connection:
        rows = connection.execute("SELECT author_id, count(*) FROM messages GROUP BY author_id")
        return Counter(dict(rows))
