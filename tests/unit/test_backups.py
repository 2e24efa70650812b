"""Backups that cannot be made or restored: a sentence, and everything as it was before."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from rooms import store
from server import backups
from server.backups import back_up, restore
from server.config import BadSetting
from tests.running import COMMAND, run_parley, serving
from tests.services import Postgres
from tests.unit.journaling import opened, running

MANY_COMMITS = 20_000  # a copy that each of them disturbs is not done before the last


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Path]:
    """Give the file of a database with one message in it, which is open elsewhere."""
    path = tmp_path / "data" / "parley.db"
    async with opened(f"sqlite:///{path}") as database, running(database):
        yield path


@pytest.fixture
async def backup(database: Path, tmp_path: Path) -> Path:
    """Give a sound backup."""
    path = tmp_path / "backup.db"
    await back_up(database, path)
    return path


def change(path: Path, statement: str) -> None:
    """Change a database by other means."""
    with closing(sqlite3.connect(path)) as opened, opened:
        opened.execute(statement)


def below(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder with what is in it, locks aside."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".lock"}


async def refused(*arguments: str | Path) -> str:
    """Run a command that must end with 1 and without a traceback, and return what it said."""
    code, said = await run_parley(*map(str, arguments))
    assert code == 1, said
    assert all(line.startswith("parley: ") for line in said.splitlines()), said
    return said.replace("parley: ", "")


# Backup


async def test_a_backup_overwrites_nothing(database: Path, tmp_path: Path) -> None:
    """What is there may be the only good backup."""
    file = tmp_path / "precious"
    file.write_text("precious")
    said = await refused("backup", file, "--data-dir", database.parent)
    assert said == f"There is a file at {file} already; choose another name\n"
    assert file.read_text() == "precious"


def test_commits_do_not_make_a_copy_begin_again(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often a server writes, the copy is done after as many steps as the file is long."""
    change(database, "CREATE TABLE much AS SELECT zeroblob(8000000)")
    monkeypatch.setattr(backups, "STEP_PAGES", 1)
    begun, copied = threading.Event(), threading.Event()

    def write() -> bool:
        with closing(sqlite3.connect(database, isolation_level=None)) as opened:
            opened.execute("PRAGMA synchronous=OFF")
            for number in range(MANY_COMMITS):
                opened.execute("UPDATE servers SET updated_at = ?", (number,))
                begun.set()
                if copied.is_set():
                    return True
        return False

    with ThreadPoolExecutor() as threads:
        outlasted = threads.submit(write)
        begun.wait()
        backups._copy(database, tmp_path / "copy")
        copied.set()
    assert outlasted.result()


async def test_a_backup_needs_a_database(tmp_path: Path) -> None:
    """A mistaken folder is named, and nothing is made in it."""
    said = await refused("backup", tmp_path / "backup.db", "--data-dir", tmp_path / "elsewhere")
    assert said.startswith(f"There is no database at {tmp_path}/elsewhere/parley.db")
    assert os.listdir(tmp_path) == []


async def test_a_backup_needs_a_folder(database: Path, tmp_path: Path) -> None:
    """A mistyped path is named."""
    file = tmp_path / "nowhere" / "backup.db"
    said = await refused("backup", file, "--data-dir", database.parent)
    assert said == f"Cannot write {file}: No such file or directory\n"


@pytest.mark.parametrize("content", [b"no database " * 1_000, b""], ids=["text", "empty"])
async def test_a_file_that_is_no_database_is_not_backed_up(tmp_path: Path, content: bytes) -> None:
    """It is said, and no half backup stays."""
    (tmp_path / "parley.db").write_bytes(content)
    said = await refused("backup", tmp_path / "backup.db", "--data-dir", tmp_path)
    assert str(tmp_path / "parley.db") in said
    assert os.listdir(tmp_path) == ["parley.db"]


async def test_a_damaged_database_gives_no_backup(database: Path, tmp_path: Path) -> None:
    """Whoever relies on it later would be disappointed; the sentence says what is wrong."""
    change(database, "DELETE FROM events WHERE seq = 2")
    with pytest.raises(BadSetting, match=r"is damaged.*\nIts log should hold the events 1 to 2, and holds 1"):
        await back_up(database, tmp_path / "backup.db")
    assert os.listdir(tmp_path) == ["data"]


async def test_a_disk_that_is_full_leaves_no_half_backup(database: Path, tmp_path: Path) -> None:
    """The space is free again afterwards."""
    file = tmp_path / "backup.db"
    command = (COMMAND, "backup", file, "--data-dir", database.parent)
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", 'ulimit -f 50; exec "$@"', "sh", *command, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 1
    assert said.decode().startswith(f"parley: Cannot copy {database} to {file}: ")
    assert os.listdir(tmp_path) == ["data"]


# Restore


async def test_a_database_is_replaced_only_when_told_so_and_is_kept(database: Path, backup: Path) -> None:
    """Each restore keeps what it replaces, with what a killed server left beside it."""
    before = below(database.parent)
    with pytest.raises(BadSetting, match=r"There is a database at .* already; --replace keeps it"):
        await restore(backup, database, replace=False)
    assert below(database.parent) == before
    assert await restore(backup, database, replace=True) == database.with_name("parley.db.replaced-1")
    kept = {name.replace("parley.db", "parley.db.replaced-1"): content for name, content in before.items()}
    assert len(kept) == 3
    after = below(database.parent)
    assert set(after) == {*kept, "parley.db"}
    assert {name: after[name] for name in kept} == kept
    assert await restore(backup, database, replace=True) == database.with_name("parley.db.replaced-2")


async def test_the_log_of_a_killed_server_is_not_mixed_with_a_backup(database: Path, backup: Path) -> None:
    """What SQLite wrote ahead belongs to the file that is gone."""
    os.remove(database)
    with pytest.raises(BadSetting, match="There is a database at"):
        await restore(backup, database, replace=False)
    await restore(backup, database, replace=True)
    assert not database.with_name("parley.db-wal").exists()


async def test_the_same_backup_restored_twice_gives_two_epochs(backup: Path, tmp_path: Path) -> None:
    """What was stored after the first restore is unknown after the second."""
    epochs = set()
    for name in ("first", "second"):
        target = tmp_path / name
        await restore(backup, target, replace=False)
        async with opened(f"sqlite:///{target}") as database:
            (server,) = await database.read(store.servers.list_all)
        epochs.add(server.epoch)
    assert len(epochs) == 2


async def test_a_backup_can_be_read_where_nothing_can_be_written(backup: Path) -> None:
    """SQLite needs no files beside it."""
    with closing(sqlite3.connect(f"file:{backup}?mode=ro", uri=True)) as opened:
        assert opened.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def cut(backup: Path) -> None:
    """Lose the second half, as a full disk does."""
    with backup.open("r+b") as file:
        file.truncate(backup.stat().st_size // 2)


def lose_a_page(backup: Path) -> None:
    """Lose what stood in one place, as a bad disk does."""
    with backup.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(bytes(4096))


def lose_an_event(backup: Path) -> None:
    """Lose something that SQLite does not know to belong there."""
    change(backup, "DELETE FROM events WHERE seq = 1")


def come_from_tomorrow(backup: Path) -> None:
    """Be of a version of which this one knows nothing."""
    change(backup, "UPDATE alembic_version SET version_num = '9999'")


def belong_to_others(backup: Path) -> None:
    """Be a database of another program."""
    backup.unlink()
    change(backup, "CREATE TABLE servers (id)")


def be_text(backup: Path) -> None:
    """Be no database at all."""
    backup.write_text("no database " * 1_000)


UNUSABLE = [
    (cut, "malformed|no database of Parley's, or is damaged"),
    (lose_a_page, "no database of Parley's, or is damaged"),
    (lose_an_event, "Its log should hold the events 1 to 2, and holds 1, from 2 to 2"),
    (come_from_tomorrow, "is of a newer version of Parley"),
    (belong_to_others, "no database of Parley's"),
    (be_text, "file is not a database"),
    (Path.unlink, "There is no backup at"),
]


@pytest.mark.parametrize(("spoil", "sentence"), UNUSABLE, ids=lambda value: getattr(value, "__name__", ""))
async def test_an_unusable_backup_changes_nothing(
    database: Path, backup: Path, spoil: Callable[[Path], None], sentence: str
) -> None:
    """The database stays in its place, whatever was to replace it."""
    before = below(database.parent)
    spoil(backup)
    with pytest.raises(BadSetting, match=sentence):
        await restore(backup, database, replace=True)
    assert below(database.parent) == before


async def test_what_a_killed_restore_left_is_in_nobodys_way(backup: Path, tmp_path: Path) -> None:
    """The next one begins anew."""
    target = tmp_path / "new.db"
    shutil.copy(backup, f"{target}.restoring")
    await restore(backup, target, replace=False)
    assert sorted(name for name in os.listdir(tmp_path) if name.startswith("new.db")) == ["new.db"]


# Beside a server


async def test_nothing_is_replaced_under_a_running_server(backup: Path, tmp_path: Path) -> None:
    """It would go on writing into the old file, and handing out positions in the old epoch."""
    data = tmp_path / "served"
    async with serving(data):
        for command in (["restore", backup, "--replace"], ["new-epoch"]):
            said = await refused(*command, "--data-dir", data)
            assert said.startswith(f"Another Parley serves {data}/parley.db already; stop it")
    code, said = await run_parley("check", "--data-dir", str(data))
    assert code == 0, said


async def test_an_operator_begins_new_epochs(database: Path) -> None:
    """Whoever restored by other means says so."""
    with closing(sqlite3.connect(database)) as opened:
        before = opened.execute("SELECT epoch FROM servers").fetchall()
        assert await run_parley("new-epoch", "--data-dir", str(database.parent)) == (
            0,
            "Logs that have a new epoch: 1\n",
        )
        assert opened.execute("SELECT epoch FROM servers").fetchall() != before
    said = await refused("new-epoch", "--data-dir", database.parent / "nowhere")
    assert said.startswith("There is no database at")


# PostgreSQL


async def test_the_lines_for_postgresql_back_up_and_restore(
    postgres_server: Postgres, postgres_database: str, tmp_path: Path
) -> None:
    """They can be copied as they are; what was stored in between is gone, and the epoch is another."""
    file = tmp_path / "a [bold] backup"
    environment = {"DATABASE_URL": postgres_database}
    async with opened(postgres_database) as database, running(database) as world:
        code, said = await run_parley("backup", str(file), **environment)
        assert code == 1
        heading, dump, _, load, last = said.splitlines()
        assert heading.startswith("Nothing was done: PostgreSQL has tools of its own.")
        assert await run_parley("restore", str(file), **environment) == (1, said)
        await shell(dump, postgres_server)
        await world.submit("too late")
        (before,) = await database.read(store.servers.list_all)
    await shell(load, postgres_server)
    assert last == "  parley new-epoch"
    assert await run_parley("new-epoch", **environment) == (0, "Logs that have a new epoch: 1\n")
    async with opened(postgres_database) as database:
        (after,) = await database.read(store.servers.list_all)
    assert after.seq == before.seq - 1
    assert after.epoch != before.epoch
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    code, said = await run_parley("check", **environment)
    assert code == 0, said


async def test_the_lines_for_postgresql_hold_no_password() -> None:
    """They stay in the shell's history."""
    url = "postgresql://ann:secret-word@db.example:5433/chat"
    code, said = await run_parley("backup", "it's.dump", DATABASE_URL=url)
    assert code == 1
    assert "postgresql://ann@db.example:5433/chat" in said
    assert "secret-word" not in said


async def shell(line: str, server: Postgres) -> None:
    """Run a line as an operator does who has PostgreSQL's programs."""
    path = f"{server.programs}:{os.environ['PATH']}"
    process = await asyncio.create_subprocess_shell(line, env={**os.environ, "PATH": path})
    assert await process.wait() == 0
