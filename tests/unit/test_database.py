"""SQLite: how commits reach the file."""

from pathlib import Path

from sqlalchemy import Connection

from rooms.database import CHECKPOINT_WRITES, SqliteDatabase, connect


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
