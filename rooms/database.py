"""The one place where SQLite and PostgreSQL differ: how a piece of work gets a connection.

Work is an ordinary function of a SQLAlchemy ``Connection``. On SQLite it runs whole in a thread (one
for writing, a few for reading), on PostgreSQL whole in a greenlet over asyncpg, so that the
statements of :mod:`rooms.store` exist once. See docs/decisions/0003-work-as-functions.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

import orjson
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from rooms.errors import Unavailable

_log = logging.getLogger("parley.database")

T = TypeVar("T")
Work = Callable[[Connection], T]

READERS = 4
BUSY_TIMEOUT_MS = 5_000
POOL_SIZE = 8
CONNECT_SECONDS = 10.0
# Of an address; those that take a number are SQLAlchemy's to read.
_PARAMETERS = frozenset(
    {"ssl", "host", "port", "prepared_statement_cache_size", "target_session_attrs", "passfile"}
)
# Every so many commits the log that SQLite writes ahead is copied into the file, beside the writer; if
# that falls behind, the writer does it itself after so many pages.
CHECKPOINT_WRITES, CHECKPOINT_PAGES = 100, 10_000


class OutcomeUnknown(Exception):
    """COMMIT was sent and its answer did not arrive: the work may be stored, or not."""


class Database(Protocol):
    """Where work runs; ``write`` is one transaction, ``read`` sees one committed state or later ones."""

    url: URL

    async def read(self, work: Work[T]) -> T:
        """Run the work without changing anything; raise Unavailable if the database is away."""

    async def write(self, work: Work[T]) -> T:
        """Run the work and commit; raise Unavailable, or OutcomeUnknown if COMMIT got no answer."""

    async def close(self) -> None:
        """Let go of every connection."""


def connect(url: str | URL, patience: float | None = None) -> Database:
    """Return the database behind the URL, without touching it yet.

    ``sqlite:///path`` and ``postgresql://user:password@host/name``; the drivers are chosen here.
    ``patience`` is how many seconds a statement on PostgreSQL may take.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return SqliteDatabase(parsed.set(drivername="sqlite"))
    return PostgresDatabase(for_asyncpg(parsed), patience)


def for_asyncpg(url: URL) -> URL:
    """Return a PostgreSQL address in asyncpg's words; raise ValueError for a parameter that it lacks."""
    query = {"ssl" if name == "sslmode" else name: value for name, value in url.query.items()}
    for name in query.keys() - _PARAMETERS:
        raise ValueError(f"has the parameter '{name}', which is not understood here: leave it out")
    return url.set(drivername="postgresql+asyncpg", query=query)


def _encode_json(value: object) -> str:
    return orjson.dumps(value).decode()


# Values stay out of the texts of errors, which reach the log.
_OPTIONS: dict[str, Any] = {
    "json_serializer": _encode_json,
    "json_deserializer": orjson.loads,
    "hide_parameters": True,
}


def _commit(connection: Connection) -> None:
    try:
        connection.commit()
    except (DBAPIError, OSError) as error:
        raise OutcomeUnknown from error


def _run_write(connection: Connection, work: Work[T]) -> T:
    result = work(connection)
    _commit(connection)
    return result


class SqliteDatabase:
    """A file, in WAL mode, where each commit reaches the disk before it returns."""

    def __init__(self, url: URL) -> None:
        self.url = url
        if url.database:
            # What people said is for the server's own account only.
            Path(url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._engine = create_engine(url, pool_size=READERS + 1, **_OPTIONS)
        event.listen(self._engine, "connect", _prepare_sqlite)
        event.listen(self._engine, "begin", _begin_sqlite)
        self._readers = ThreadPoolExecutor(READERS, "parley-read")
        self._writer = ThreadPoolExecutor(1, "parley-write")
        self._writing: Connection | None = None  # kept from one write to the next
        self._writes = 0
        self._checkpoint: Future[None] | None = None

    async def read(self, work: Work[T]) -> T:
        """Run the work in a reading thread."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def write(self, work: Work[T]) -> T:
        """Run the work in the writing thread."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._write, work)

    async def close(self) -> None:
        """Wait for running work and close the file."""
        # Back into the pool, which closes it: the last one folds the log into the file.
        self._writer.submit(self._drop_connection_for_writes)
        self._writer.shutdown()
        self._readers.shutdown()
        self._engine.dispose()

    def _read(self, work: Work[T]) -> T:
        try:
            with self._engine.connect() as connection:
                return work(connection)
        except OperationalError as error:
            raise Unavailable from error

    def _write(self, work: Work[T]) -> T:
        try:
            result = _run_write(self._connection_for_writes(), work)
        except BaseException as error:
            self._drop_connection_for_writes()
            if isinstance(error, OperationalError):
                raise Unavailable from error
            raise
        self._checkpoint_now_and_then()
        return result

    def _connection_for_writes(self) -> Connection:
        if self._writing is None:
            self._writing = self._engine.connect().execution_options(parley_writes=True)
        return self._writing

    def _drop_connection_for_writes(self) -> None:
        """Undo what a failed write did."""
        writing, self._writing = self._writing, None
        if writing is not None:
            with contextlib.suppress(DBAPIError):  # what cannot be rolled back is dropped by the pool
                writing.close()

    def _checkpoint_now_and_then(self) -> None:
        """Keep the disk's work on the file out of the commits' way."""
        self._writes += 1
        is_free = self._checkpoint is None or self._checkpoint.done()
        if self._writes % CHECKPOINT_WRITES == 0 and is_free:
            # It may have to start a thread; what is committed must not fail for that.
            with contextlib.suppress(RuntimeError):
                self._checkpoint = self._readers.submit(self._run_checkpoint)

    def _run_checkpoint(self) -> None:
        try:
            # On the driver's own connection: SQLite makes no checkpoint inside a transaction.
            with contextlib.closing(self._engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.OperationalError as error:
            # Nothing is lost: what was committed stands in the log until a checkpoint succeeds.
            _log.warning("SQLite could not checkpoint its log: %s", error)


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver's own transaction handling would begin a transaction only before the first INSERT.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",  # what was deleted is overwritten
        f"wal_autocheckpoint={CHECKPOINT_PAGES}",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes the lock at once: a read that became a write could not wait for it.
    writes = connection.get_execution_options().get("parley_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


# Connection trouble, out of resources, an operator's intervention, a broken system (SQLSTATE classes).
_AWAY_STATES = ("08", "53", "57", "58")


def _told_apart(error: Exception) -> Exception:
    """Tell a database that is away from one that refuses a value: only the first passes by itself.

    asyncpg reports a value that it cannot encode as an InterfaceError, like a lost connection.
    """
    if not isinstance(error, DBAPIError) or error.connection_invalidated:
        return Unavailable()
    state = str(getattr(error.orig, "sqlstate", None) or "")
    away = isinstance(error, OperationalError) or state.startswith(_AWAY_STATES)
    return Unavailable() if away else error


class PostgresDatabase:
    """A PostgreSQL database, reached through asyncpg."""

    def __init__(self, url: URL, patience: float | None = None) -> None:
        self.url = url
        waits = {"timeout": CONNECT_SECONDS, "command_timeout": patience}
        self._engine = create_async_engine(
            url, pool_size=POOL_SIZE, pool_pre_ping=True, connect_args=waits, **_OPTIONS
        )

    async def read(self, work: Work[T]) -> T:
        """Run the work on a pooled connection."""
        return await self._run(work)

    async def write(self, work: Work[T]) -> T:
        """Run the work and commit on a pooled connection."""
        return await self._run(_run_write, work)

    async def _run(self, function: Callable[..., T], *arguments: Any) -> T:
        if asyncio.current_task() is None:
            # The driver's timeouts need a task; a coroutine that was begun without one gets it here.
            await asyncio.sleep(0)
        connection = await self._connect()
        try:
            return await connection.run_sync(function, *arguments)
        except (DBAPIError, OSError) as error:
            raise _told_apart(error) from error
        finally:
            await connection.close()

    async def _connect(self) -> AsyncConnection:
        # Whatever keeps a connection from being made, the work was not to blame.
        try:
            return await self._engine.connect()
        except (DBAPIError, PoolTimeout, OSError) as error:
            raise Unavailable from error

    async def close(self) -> None:
        """Close the pool."""
        await self._engine.dispose()
