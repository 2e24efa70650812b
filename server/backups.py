"""Backups of SQLite's file: writing one while a server runs, and putting one in the file's place."""

from __future__ import annotations

import itertools
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy.engine import URL

from rooms import checks, database, epochs, schema
from server.config import BadSetting

STEP_PAGES = 1_000
# A database is its file, and what SQLite has beside it while it is open or after a kill.
PARTS = ("", "-wal", "-shm")


async def back_up(source: Path, target: Path) -> None:
    """Write the database, as it is at one moment, into a new file; raise BadSetting if that fails.

    The copy is checked, and its logs have epochs of their own: after a restore nobody shall go on from
    a position in what was stored later.
    """
    with _new_file(target):
        _copy(source, target)
        await _make_ready(target, source)


async def restore(backup: Path, target: Path, *, replace: bool) -> Path | None:
    """Put a backup in the database's place and return where the old one was moved, if there was one.

    Nothing changes unless the backup is sound. No server may run. Raises BadSetting if the backup cannot
    be used, or if there is a database that shall not be replaced.
    """
    _require_place(backup, target, replace=replace)
    fresh = target.with_name(f"{target.name}.restoring")
    _remove(fresh)  # a restore may have been killed
    with _new_file(fresh):
        _copy(backup, fresh)
        # Once more: the same backup may be restored twice.
        await _make_ready(fresh, backup)
        old = _put_aside(target)
        fresh.rename(target)
        _sync_folder(target)
    return old


def _require_place(backup: Path, target: Path, *, replace: bool) -> None:
    if not backup.is_file():
        raise BadSetting(f"There is no backup at {backup}")
    if _exists(target) and not replace:
        raise BadSetting(f"There is a database at {target} already; --replace keeps it under another name")


@contextmanager
def _new_file(path: Path) -> Iterator[None]:
    """Make an empty file for the server's own account only, and remove it if the block fails."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise BadSetting(f"There is a file at {path} already; choose another name") from None
    except OSError as error:
        raise BadSetting(f"Cannot write {path}: {error.strerror}") from None
    try:
        yield
        _sync_folder(path)
    except BaseException as error:
        _remove(path)
        if isinstance(error, OSError):
            raise BadSetting(f"Cannot write {path}: {error.strerror}") from None
        raise


def _copy(source: Path, target: Path) -> None:
    try:
        with closing(sqlite3.connect(source)) as reader, closing(sqlite3.connect(target)) as writer:
            # Within a transaction that reads: otherwise each commit of the server would make the copy
            # begin again. It keeps no writer waiting.
            reader.execute("BEGIN")
            reader.execute("SELECT name FROM sqlite_master").fetchone()
            reader.backup(writer, pages=STEP_PAGES)
    except sqlite3.Error as error:
        raise BadSetting(f"Cannot copy {source} to {target}: {error}") from None


async def _make_ready(copy: Path, source: Path) -> None:
    """Verify the copy and give its logs new epochs; it is one closed file then."""
    _require_intact(copy, source)
    opened = database.connect(URL.create("sqlite", database=str(copy)))
    try:
        await schema.upgrade(opened)
        await opened.write(epochs.renew_all)
        findings = await opened.read(checks.examine)
    except CommandError:
        raise BadSetting(f"{source} is of a newer version of Parley") from None
    finally:
        await opened.close()
    faults = [fault for finding in findings for fault in finding.faults]
    if faults:
        raise BadSetting("\n".join([f"{source} is damaged, and a copy of it is of no use:", *faults]))
    with closing(sqlite3.connect(copy)) as closed:
        # It can be read then where nothing can be written.
        closed.execute("PRAGMA journal_mode=DELETE")


def _require_intact(copy: Path, source: Path) -> None:
    try:
        with closing(sqlite3.connect(copy)) as opened:
            (verdict,) = opened.execute("PRAGMA quick_check(1)").fetchone()
            opened.execute("SELECT version_num, (SELECT count(*) FROM servers) FROM alembic_version")
    except sqlite3.Error as error:
        verdict = str(error)
    if verdict != "ok":
        raise BadSetting(f"{source} is no database of Parley's, or is damaged: {verdict}")


def _parts(path: Path) -> list[Path]:
    return [path.with_name(path.name + suffix) for suffix in PARTS]


def _exists(path: Path) -> bool:
    return any(part.exists() for part in _parts(path))


def _remove(path: Path) -> None:
    for part in _parts(path):
        part.unlink(missing_ok=True)


def _put_aside(path: Path) -> Path | None:
    """Move the database, if there is one, and return where."""
    if not _exists(path):
        return None
    names = (path.with_name(f"{path.name}.replaced-{number}") for number in itertools.count(1))
    aside = next(name for name in names if not _exists(name))
    for part, moved in zip(_parts(path), _parts(aside), strict=True):
        with suppress(FileNotFoundError):
            part.rename(moved)
    return aside


def _sync_folder(path: Path) -> None:
    """Let the names in the file's folder reach the disk."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
