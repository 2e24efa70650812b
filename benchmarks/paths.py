"""The workload ``paths``: what a batch and a look-up cost on SQLite, by the way the work gets there.

Either the whole work runs in one thread, as Parley does it, or each statement goes through aiosqlite.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import uvloop
from sqlalchemy import Connection, bindparam, event, insert, select, update
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

from benchmarks.failure import BenchmarkFailed
from rooms import database, schema, tables  # noqa: F401 - the tables fill the metadata

BATCHES = {1: 200, 16: 100, 128: 40}  # how many of each size
READS = 1_000

Work = Callable[[Connection], Any]
Run = Callable[[Work], Awaitable[Any]]

_entities, _keys = SQLModel.metadata.tables["entities"], SQLModel.metadata.tables["idempotency"]
_RENAME = update(_entities).where(_entities.c.id == bindparam("the_id")).values(name=bindparam("new"))


def add_command(workloads: Any) -> None:
    """Add the subcommand."""
    parser = workloads.add_parser("paths", help="SQLite in a thread, beside aiosqlite", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds (%(default)s)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Measure both ways in turn and print medians of milliseconds."""
    if importlib.util.find_spec("aiosqlite") is None:
        raise BenchmarkFailed("this workload needs aiosqlite, which Parley itself does not")
    rounds = [uvloop.run(_measure()) for _ in range(arguments.rounds)]
    print(f"{'milliseconds, median of ' + str(len(rounds)):34}{'in a thread':>14}{'aiosqlite':>14}")
    for name in rounds[0]:
        thread, stock = (statistics.median(one[name][way] for one in rounds) for way in (0, 1))
        print(f"{name:34}{thread:14.2f}{stock:14.2f}")


async def _measure() -> dict[str, tuple[float, float]]:
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as directory:
        path = Path(directory) / "paths.db"
        ours = database.connect(f"sqlite:///{path}")
        await schema.upgrade(ours)
        theirs = create_async_engine(f"sqlite+aiosqlite:///{path}")
        event.listen(theirs.sync_engine, "connect", _prepare)

        async def write(work: Work) -> Any:
            async with theirs.begin() as connection:
                return await connection.run_sync(work)

        async def read(work: Work) -> Any:
            async with theirs.connect() as connection:
                return await connection.run_sync(work)

        a = await _measure_way(ours.write, ours.read, 0)
        b = await _measure_way(write, read, 10_000_000)
        await theirs.dispose()
        await ours.close()
    return {name: (a[name], b[name]) for name in a}


def _prepare(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


async def _measure_way(write: Run, read: Run, first: int) -> dict[str, float]:
    serial = itertools.count(first)
    took = {}
    for size, count in BATCHES.items():
        batches = [_batch([f"e{next(serial)}" for _ in range(size)]) for _ in range(count)]
        took[f"batch of {size}"] = await _time(write, batches)
    one_row = select(_entities).where(_entities.c.id == f"e{first}")
    took["reading one row"] = await _time(read, [lambda it: it.execute(one_row).first()] * READS)
    return took


async def _time(run: Run, works: Sequence[Work]) -> float:
    """Return the milliseconds that one piece of work takes."""
    began = time.perf_counter()
    for work in works:
        await run(work)
    return (time.perf_counter() - began) / len(works) * 1000


def _batch(names: list[str]) -> Work:
    """Return two look-ups, two bulk inserts and an update, as storing messages has them."""
    added = [{"id": name, "kind": "user", "name": name, "created_at": 0} for name in names]
    used = [
        {"author_id": name, "key": "k", "fingerprint": b"x" * 300, "message_id": name, "created_at": 0}
        for name in names
    ]

    def work(connection: Connection) -> None:
        connection.execute(select(_entities).where(_entities.c.id.in_(names))).all()
        connection.execute(select(_keys.c.key).where(_keys.c.author_id.in_(names))).all()
        connection.execute(insert(_entities), added)
        connection.execute(insert(_keys), used)
        connection.execute(_RENAME, {"the_id": names[0], "new": "renamed"})

    return work
