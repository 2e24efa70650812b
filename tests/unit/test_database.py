"""SQLite: how commits reach the file."""

import asyncio
import os
from pathlib import Path

from sqlalchemy import Connection

from rooms.database import CHECKPOINT_WRITES, SqliteDatabase, connect
from server import eager


def put(connection: Connection) -> None:
    """Write a page full."""
    connection.exec_driver_sql("INSERT INTO notes VALUES (?)", ("x" * 4_000,))


async def test_commits_reach_the_file_beside_the_writer(tmp_path: Path) -> None:
    """What stands in the log written ahead is copied into the file while the database is open."""
    path = tmp_path / "parley.sqlite"
    database = connect(f"sqlite:///{path}")
    assert isinstance(database, SqliteDatabase)
    await database.write(lambda connection: connection.exec_driver_sql("CREATE TABLE notes (text)"))
    for _ in range(CHECKPOINT_WRITES):
        await database.write(put)
    assert database._checkpoint is not None
    database._checkpoint.result()
    assert path.stat().st_size > (CHECKPOINT_WRITES - 2) * 4_000
    await database.close()


async def test_a_closed_database_is_one_file(tmp_path: Path) -> None:
    """Whoever copies the file after a stop has everything: no log is left beside it."""
    path = tmp_path / "parley.sqlite"
    database = connect(f"sqlite:///{path}")
    await database.write(lambda connection: connection.exec_driver_sql("CREATE TABLE notes (text)"))
    await database.read(lambda connection: connection.exec_driver_sql("SELECT * FROM notes").all())
    await database.close()
    assert os.listdir(tmp_path) == ["parley.sqlite"]


async def test_work_may_begin_outside_a_task(postgres_database: str) -> None:
    """PostgreSQL's driver has timeouts, which need a task: whoever has none yet gets one."""
    database = connect(postgres_database)
    found: list[int] = []

    async def work() -> None:
        found.append(await database.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar()))

    loop = asyncio.get_running_loop()
    begun: asyncio.Future[asyncio.Task[None] | None] = loop.create_future()
    loop.call_soon(lambda: begun.set_result(eager.start(work())))
    task = await begun
    assert task is not None
    await task
    assert found == [1]
    await database.close()
