"""The real services that tests need: where they are on this machine, and a PostgreSQL server for one run.

``python -m tests.services`` prints the Debian packages of those that are missing, one per line.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from chaos.harms import find_libfaketime

COMPAT = Path(__file__).parent / "compat"


def missing(reason: str) -> NoReturn:
    """Leave the test out, or fail it with CI set: there everything must run."""
    if os.environ.get("CI"):
        pytest.fail(f"MISSING: {reason}", pytrace=False)
    pytest.skip(f"MISSING: {reason}")


def find_postgres() -> Path | None:
    """Find the directory of PostgreSQL's programs, which Debian keeps out of PATH."""
    on_path = shutil.which("initdb")
    if on_path:
        # PATH may hold links to some of the programs only.
        return Path(on_path).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return versions[-1].parent if versions else None


def find_chromium() -> str | None:
    """Find Chromium, under any of the names it has."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def find_strace() -> str | None:
    """Find strace."""
    return shutil.which("strace")


def find_node() -> str | None:
    """Find node, together with npm."""
    return shutil.which("npm") and shutil.which("node")


def find_compiler() -> str | None:
    """Find a C compiler."""
    return shutil.which("cc") or shutil.which("gcc")


def find_c_headers() -> bool:
    """Find the headers of the C library, which Debian's compiler comes without."""
    return Path("/usr/include/stdio.h").exists()


DEBIAN_PACKAGES: dict[str, Callable[[], object]] = {
    "postgresql": find_postgres,
    "chromium": find_chromium,
    "strace": find_strace,
    "npm": find_node,
    "gcc": find_compiler,
    "libc6-dev": find_c_headers,
    "libfaketime": find_libfaketime,
}


@dataclass(frozen=True)
class Postgres:
    """A running PostgreSQL server."""

    programs: Path
    port: int

    def url(self, database: str = "postgres", scheme: str = "postgresql+asyncpg") -> str:
        """Give the address of one of its databases."""
        return f"{scheme}://postgres@127.0.0.1:{self.port}/{database}"

    def execute(self, statements: str, database: str = "postgres") -> None:
        """Run statements: several in one transaction, a single one outside of any."""
        address = self.url(database, scheme="postgresql")
        _run(self.programs / "psql", "--no-psqlrc", "--quiet", "--command", statements, address)

    def empty(self, database: str) -> None:
        """Leave nothing in one of its databases but the schema, and nobody connected to it."""
        tables = "SELECT string_agg(tablename, ', ') FROM pg_tables WHERE schemaname = 'public'"
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{database}' AND pid <> pg_backend_pid();"
            f"DO $$ BEGIN EXECUTE 'TRUNCATE ' || ({tables} AND tablename <> 'alembic_version'); END $$",
            database,
        )


@contextmanager
def running_postgres(programs: Path) -> Iterator[Postgres]:
    """Run a PostgreSQL server with an empty data directory, without care for power cuts."""
    directory = Path(tempfile.mkdtemp(prefix="parley-postgres-"))
    data, log = directory / "data", directory / "log"
    options = {**_unprivileged_account(), "cwd": directory}
    if "user" in options:
        shutil.chown(directory, options["user"], options["group"])
    initdb = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
    control = programs / "pg_ctl"
    try:
        _run(programs / "initdb", *initdb, "-D", data, **options)
        port = free_port()  # only now: others look for theirs meanwhile
        settings = (
            f"-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' "
            "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        )
        _run(control, "start", "--wait", "-D", data, "-l", log, "-o", settings, **options)
        try:
            yield Postgres(programs, port)
        finally:
            # pg_ctl stops the process whose id is in this data directory, and no other server.
            _run(control, "stop", "--wait", "--mode=fast", "-D", data, **options)
    finally:
        shutil.rmtree(directory)


def _unprivileged_account() -> dict[str, Any]:
    # PostgreSQL refuses to run as root.
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


def free_port() -> int:
    """Find a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _run(*command: str | Path, **options: Any) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **options
    )
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    print("\n".join(package for package, find in DEBIAN_PACKAGES.items() if not find()))
