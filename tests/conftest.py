"""The fixtures that all kinds of tests share."""

import gc
import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from throttled import utils

from server.engine import Engine
from tests import running, services
from tests.migrated import migrate


def pytest_collection_finish() -> None:
    """Spare the garbage collector the tests themselves, each time that one of them makes it look."""
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have counted, whichever process they ran in."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[services.Postgres]:
    """Run a PostgreSQL server for all tests of this run."""
    programs = services.find_postgres()
    if programs is None:
        services.missing("PostgreSQL (Debian: postgresql)")
    with services.running_postgres(programs) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres_server: services.Postgres) -> str:
    """Give the address of the PostgreSQL server's own database."""
    return postgres_server.url()


@pytest.fixture
def postgres_database(postgres_server: services.Postgres) -> Iterator[str]:
    """Give the address of an empty PostgreSQL database of this test alone."""
    name = f"test_{uuid.uuid4().hex}"
    postgres_server.execute(f"CREATE DATABASE {name}")
    yield postgres_server.url(name)
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def _migrated_postgres(postgres_server: services.Postgres) -> str:
    """Give the address of a PostgreSQL database with today's schema, which many tests use in turn."""
    postgres_server.execute("CREATE DATABASE migrated")
    migrate(postgres_server.url("migrated"))
    return postgres_server.url("migrated")


@pytest.fixture
def migrated_postgres(postgres_server: services.Postgres, _migrated_postgres: str) -> str:
    """Give the address of a PostgreSQL database with today's schema and nothing in it."""
    postgres_server.empty("migrated")
    return _migrated_postgres


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Give the path of Chromium."""
    return services.find_chromium() or services.missing("Chromium (Debian: chromium)")


@pytest.fixture(scope="session")
def strace_path() -> str:
    """Give the path of strace."""
    return services.find_strace() or services.missing("strace (Debian: strace)")


@pytest.fixture(scope="session")
def node() -> str:
    """Give the path of node, once the npm clients of tests/compat are installed."""
    if not (services.COMPAT / "node_modules" / "socket.io-client").is_dir():
        services.missing("the npm clients (npm ci in tests/compat, or scripts/test)")
    return services.find_node() or services.missing("node and npm (Debian: npm)")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of whoever runs the tests away from them."""
    for name in list(filter(running.is_setting, os.environ)):
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def limits_clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Give the time in seconds that rate limits go by; it stands still unless it is changed."""
    now = [1_700_000_000.0]
    monkeypatch.setattr(utils, "now_sec", lambda: int(now[0]))
    monkeypatch.setattr(utils, "now_mono_f", lambda: now[0])
    return now


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[running.Start]:
    """Give a function that starts a node with settings, on this test's data directory unless told."""
    async with AsyncExitStack() as stack:

        async def start_with(data_dir: Path = tmp_path / "data", **settings: object) -> running.Parley:
            return await stack.enter_async_context(running.running_parley(data_dir, **settings))

        yield start_with


@pytest.fixture
async def parley(start: running.Start) -> running.Parley:
    """Run a node with an empty database and without rate limits."""
    return await start()


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> list[Engine]:
    """Give the engines of the nodes that the test starts, as they come."""
    started: list[Engine] = []
    begin: Callable[..., None] = Engine.__init__

    def note(engine: Engine, **options: Any) -> None:
        begin(engine, **options)
        started.append(engine)

    monkeypatch.setattr(Engine, "__init__", note)
    return started
