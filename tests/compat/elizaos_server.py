"""elizaOS's own server, as npm has it, and what it answers."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from tests import services
from tests.running import stop

FOLDER = services.COMPAT / "elizaos"
PATIENCE = 180.0  # it takes 10 s where nothing else runs

# plugin-sql has columns of pgvector's type, in tables that Parley does not read. Debian has no package of it
# for each PostgreSQL.
_NO_PGVECTOR = """
CREATE TYPE vector;
CREATE FUNCTION vector_in(cstring, oid, integer) RETURNS vector AS 'varcharin' LANGUAGE internal STRICT;
CREATE FUNCTION vector_out(vector) RETURNS cstring AS 'varcharout' LANGUAGE internal STRICT;
CREATE TYPE vector (INPUT = vector_in, OUTPUT = vector_out, TYPMOD_IN = varchartypmodin);
"""


def require_elizaos() -> str:
    """Return the path of node; leave the test out if npm could not be asked for elizaOS's server.

    That is no failure with CI set either: it is a download of 150 MB.
    """
    if not (FOLDER / "node_modules" / "@elizaos" / "server").is_dir():
        pytest.skip("MISSING: elizaOS's server (npm ci in tests/compat/elizaos, or scripts/test)")
    return services.find_node() or services.missing("node and npm (Debian: npm)")


@asynccontextmanager
async def elizaos(
    directory: Path, agents: Mapping[str, str], postgres_url: str | None = None
) -> AsyncIterator[str]:
    """Run the server with agents, by id and name, on PGlite or on PostgreSQL; give its address."""
    node, port = require_elizaos(), services.free_port()
    if postgres_url is not None:
        await _make_room(postgres_url)
    environment = {
        "POSTGRES_URL": postgres_url or "",
        "PGLITE_DATA_DIR": str(directory / "pglite"),
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "SERVER_HOST": "127.0.0.1",
        "SERVER_PORT": str(port),
        "LOG_LEVEL": "fatal",
        "SENTRY_DSN": "http://nobody@127.0.0.1:9/1",  # it reports its faults to its makers otherwise
    }
    characters = [{"id": agent_id, "name": name, "bio": []} for agent_id, name in agents.items()]
    process = await asyncio.create_subprocess_exec(
        node,
        FOLDER / "server.mjs",
        json.dumps(characters),
        cwd=directory,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        await asyncio.wait_for(_ready(process), PATIENCE)
        yield f"http://127.0.0.1:{port}"
    finally:
        await stop(process)


async def _make_room(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(_NO_PGVECTOR)
    await connection.close()


async def _ready(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    said = b""
    while b"ready\n" not in said:
        line = await process.stdout.readline()
        assert line, said.decode()
        said += line
