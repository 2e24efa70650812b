"""What an elizaOS 1.x server holds: in the tables of its plugin-sql, and behind its API."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson
from aiohttp import web

from rooms.rules import DEFAULT_SERVER_ID

BEGAN = 1_735_000_000_000
AGENT, OTHER_AGENT, IDLE_AGENT, USER = (str(uuid.UUID(int=number)) for number in (0xA1, 0xA2, 0xA3, 0x11))
AGENTS = {AGENT: "Ada", OTHER_AGENT: "Bob", IDLE_AGENT: "Cid"}
GROUP, DM, SESSION = (str(uuid.UUID(int=number)) for number in (0xC1, 0xC2, 0xC3))
DM_NAME = f"DM-{USER}-{AGENT}"

# As plugin-sql 1.7.2 makes them; before 1.6.5 some had other names.
_TABLES = """
CREATE TABLE agents (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), enabled boolean NOT NULL DEFAULT true, server_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
    name text NOT NULL, username text, system text DEFAULT '', bio jsonb DEFAULT '[]'
);
CREATE TABLE message_servers (
    id uuid PRIMARY KEY, name text NOT NULL, source_type text NOT NULL, source_id text, metadata jsonb,
    created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE channels (
    id text PRIMARY KEY, {server} uuid NOT NULL REFERENCES message_servers(id) ON DELETE CASCADE,
    name text NOT NULL, type text NOT NULL, source_type text, source_id text, topic text, metadata jsonb,
    created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE central_messages (
    id text PRIMARY KEY, channel_id text NOT NULL REFERENCES channels(id) ON DELETE CASCADE,
    author_id text NOT NULL, content text NOT NULL, raw_message jsonb,
    in_reply_to_root_message_id text REFERENCES central_messages(id) ON DELETE SET NULL,
    source_type text, source_id text, metadata jsonb,
    created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE channel_participants (
    channel_id text NOT NULL REFERENCES channels(id) ON DELETE CASCADE, {entity} text NOT NULL,
    PRIMARY KEY (channel_id, {entity})
);
CREATE TABLE {agents} (
    {server} uuid NOT NULL REFERENCES message_servers(id) ON DELETE CASCADE,
    agent_id uuid NOT NULL REFERENCES agents(id) ON DELETE CASCADE, PRIMARY KEY ({server}, agent_id)
);
"""
NAMES_OF_1_7 = {"server": "message_server_id", "entity": "entity_id", "agents": "message_server_agents"}
NAMES_OF_1_5 = {"server": "server_id", "entity": "user_id", "agents": "server_agents"}


def message(number: int, content: str = "", **fields: Any) -> dict[str, Any]:
    """Return a message as elizaOS has it: two each in a millisecond, of a user and an agent in turn."""
    by_agent = number % 2 == 1
    return {
        "id": str(uuid.UUID(int=0xE000000 + number)),
        "channel_id": GROUP,
        "author_id": AGENT if by_agent else USER,
        "content": content or f"message {number}",
        "raw_message": {"text": f"message {number}"},
        "in_reply_to_root_message_id": None,
        "source_type": "agent_response" if by_agent else "client_chat",
        "source_id": None,
        "metadata": {"agentName": "Ada"} if by_agent else {"channelType": "GROUP"},
        "created_at": BEGAN + number // 2,
        **fields,
    }


@dataclass
class ElizaData:
    """What an elizaOS server holds: one server, a group, the dm of a pair, a session's channel.

    Its API refuses the first ``refusals`` requests, as if it had been asked too much.
    """

    messages: list[dict[str, Any]] = field(default_factory=list)
    refusals: int = 0
    channels: dict[str, tuple[str, str, list[str]]] = field(
        default_factory=lambda: {
            GROUP: ("Talk about it", "GROUP", [USER, AGENT, OTHER_AGENT]),
            DM: (DM_NAME, "DM", [USER, AGENT]),
            SESSION: ("session-1", "DM", [AGENT]),
        }
    )

    async def fill(self, url: str, names: dict[str, str]) -> None:
        """Make the tables in a PostgreSQL database, and put everything there."""
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            await connection.execute(_TABLES.format(**names))
            await connection.executemany(
                "INSERT INTO agents (id, name) VALUES ($1, $2)", list(AGENTS.items())
            )
            await connection.execute(
                "INSERT INTO message_servers (id, name, source_type) VALUES ($1, 'Default', 'eliza_default')",
                DEFAULT_SERVER_ID,
            )
            await connection.executemany(
                f"INSERT INTO {names['agents']} VALUES ($1, $2)",
                [(DEFAULT_SERVER_ID, one) for one in AGENTS],
            )
            for channel_id, (name, kind, members) in self.channels.items():
                columns = f"id, {names['server']}, name, type, created_at"
                await connection.execute(
                    f"INSERT INTO channels ({columns}) VALUES ($1, $2, $3, $4, $5)",
                    *(channel_id, DEFAULT_SERVER_ID, name, kind, _timestamp(BEGAN)),
                )
                await connection.executemany(
                    "INSERT INTO channel_participants VALUES ($1, $2)", [(channel_id, one) for one in members]
                )
            await self.add(connection, self.messages)
        finally:
            await connection.close()

    async def add(self, connection: asyncpg.Connection, messages: Sequence[dict[str, Any]]) -> None:
        """Put messages into the table."""
        columns = list(message(0))
        places = ", ".join(f"${number}" for number in range(1, len(columns) + 2))
        await connection.executemany(
            f"INSERT INTO central_messages ({', '.join(columns)}, updated_at) VALUES ({places})",
            [_stored(one) for one in messages],
        )

    def api(self) -> web.Application:
        """Return the API of the server, as far as it tells of all this."""
        app = web.Application()
        prefix = "/api/messaging"
        app.router.add_get("/api/agents", self._agents)
        app.router.add_get(f"{prefix}/agents/{{id}}/message-servers", self._servers_of_agent)
        app.router.add_get(f"{prefix}/message-servers", self._servers)
        app.router.add_get(f"{prefix}/message-servers/{{id}}/channels", self._channels)
        app.router.add_get(f"{prefix}/channels/{{id}}/participants", self._participants)
        app.router.add_get(f"{prefix}/channels/{{id}}/messages", self._messages)
        return app

    async def _agents(self, _request: web.Request) -> web.Response:
        return _answer({"agents": [{"id": one, "name": name} for one, name in AGENTS.items()]})

    async def _servers_of_agent(self, request: web.Request) -> web.Response:
        return _answer({"agentId": request.match_info["id"], "messageServers": [DEFAULT_SERVER_ID]})

    async def _servers(self, _request: web.Request) -> web.Response:
        row = {"id": DEFAULT_SERVER_ID, "name": "Default Server", "sourceType": "eliza_default"}
        return _answer({"messageServers": [row | _times(BEGAN)]})

    async def _channels(self, _request: web.Request) -> web.Response:
        rows = [
            {"id": one, "messageServerId": DEFAULT_SERVER_ID, "name": name, "type": kind} | _times(BEGAN)
            for one, (name, kind, _) in self.channels.items()
        ]
        return _answer({"channels": rows})

    async def _participants(self, request: web.Request) -> web.Response:
        return _answer(self.channels[request.match_info["id"]][2])

    async def _messages(self, request: web.Request) -> web.Response:
        """Answer the newest messages before a time, the newest first, as elizaOS does."""
        before, limit = int(request.query.get("before", 2**53)), int(request.query["limit"])
        channel_id = request.match_info["id"]
        found = [
            one for one in self.messages if one["channel_id"] == channel_id and one["created_at"] < before
        ]
        newest = sorted(found, key=lambda one: (-one["created_at"], -int(uuid.UUID(one["id"]))))[:limit]
        return _answer({"messages": [_told(one) for one in newest]})


@asynccontextmanager
async def eliza_api(data: ElizaData, token: str | None = None) -> AsyncIterator[str]:
    """Run the API on a free port; with a token it wants that."""

    @web.middleware
    async def check(request: web.Request, handler: Any) -> web.StreamResponse:
        if token is not None and request.headers.get("X-API-KEY") != token:
            return web.json_response({"error": "API key required"}, status=401)
        if data.refusals:
            data.refusals -= 1
            return web.json_response({"success": False}, status=429, headers={"Retry-After": "0"})
        response: web.StreamResponse = await handler(request)
        return response

    app = data.api()
    app.middlewares.append(check)
    runner = web.AppRunner(app)
    await runner.setup()
    server = await asyncio.get_running_loop().create_server(runner.server, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await runner.cleanup()


def _timestamp(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None)


def _stored(one: dict[str, Any]) -> list[Any]:
    row = one | {
        "created_at": _timestamp(one["created_at"]),
        "metadata": orjson.dumps(one["metadata"]).decode(),
        "raw_message": orjson.dumps(one["raw_message"]).decode(),
    }
    return [*row.values(), row["created_at"]]


def _times(milliseconds: int) -> dict[str, str]:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    return dict.fromkeys(("createdAt", "updatedAt"), moment.replace("+00:00", "Z"))


def _told(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": one["id"],
        "channelId": one["channel_id"],
        "authorId": one["author_id"],
        "content": one["content"],
        "rawMessage": one["raw_message"],
        "inReplyToRootMessageId": one["in_reply_to_root_message_id"],
        "sourceType": one["source_type"],
        "metadata": one["metadata"],
        "created_at": one["created_at"],
        "updated_at": one["created_at"],
    } | _times(one["created_at"])


def _answer(data: Any) -> web.Response:
    return web.json_response({"success": True, "data": data})
