"""elizaOS's own server, as npm has it, and what it answers."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from rooms.rules import DEFAULT_SERVER_ID
from tests import services
from tests.rest import API, Rest
from tests.running import stop

FOLDER = services.COMPAT / "elizaos"
ADA, BOB = (f"000000a{number}-0000-4000-8000-000000000000" for number in (1, 2))
AGENTS = {ADA: "Ada", BOB: "Bob"}
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


class Eliza:
    """A client of elizaOS's server, or of Parley in elizaOS's dialect."""

    def __init__(self, client: Rest) -> None:
        self.client = client

    async def data(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Send a request that must succeed and return what stands in ``data``."""
        reply = await self.client.request(method, f"{API}{path}", json=body, params=query)
        assert reply.status in {200, 201, 202, 204}, reply.text
        return reply.data if reply.status != 204 else None

    async def channel(self, name: str, *members: str, **fields: Any) -> str:
        """Create a channel and return its id."""
        body = {"name": name, "message_server_id": DEFAULT_SERVER_ID, "participantCentralUserIds": members}
        channel_id: str = (await self.data("POST", "/channels", body | fields))["id"]
        return channel_id

    async def history(self, channel_id: str) -> list[dict[str, Any]]:
        """Return what was said in a channel, the newest first, as elizaOS's clients page back."""
        found: dict[str, dict[str, Any]] = {}
        query: dict[str, int] = {"limit": 2_000}
        while page := (await self.data("GET", f"/channels/{channel_id}/messages", **query))["messages"]:
            found |= {one["id"]: one for one in page}
            query["before"] = min(one["created_at"] for one in page)
        return list(found.values())

    async def submit(self, channel_id: str, author: str, content: str, **fields: Any) -> str:
        """Submit a message and return its id."""
        body = {
            "channel_id": channel_id,
            "message_server_id": DEFAULT_SERVER_ID,
            "author_id": author,
            "content": content,
            "source_type": "agent_response" if author in AGENTS else "client_chat",
            "raw_message": {"text": content[:10]},
        }
        message_id: str = (await self.data("POST", "/submit", body | fields))["id"]
        return message_id


@asynccontextmanager
async def elizaos(directory: Path, postgres_url: str | None = None) -> AsyncIterator[Eliza]:
    """Run the server with two agents, on PGlite or on PostgreSQL, and give a client of it."""
    async with _running(directory, postgres_url) as url, aiohttp.ClientSession() as session:
        yield Eliza(Rest(session, url))


@asynccontextmanager
async def _running(directory: Path, postgres_url: str | None) -> AsyncIterator[str]:
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
    characters = [{"id": agent_id, "name": name, "bio": []} for agent_id, name in AGENTS.items()]
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
