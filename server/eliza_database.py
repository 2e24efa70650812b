"""The tables in which @elizaos/plugin-sql keeps what was said: those of 1.6.5 and later, or of before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    String,
    Text,
    bindparam,
    case,
    cast,
    column,
    extract,
    func,
    select,
    table,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from rooms.database import for_asyncpg
from server.config import BadSetting

Row = dict[str, Any]

PAGE = 500

# Without this, who may not see all rows would be shown some of them, and not be told.
_OPENLY = {"server_settings": {"row_security": "off"}}


def _moment_of(name: str) -> Any:
    """Return epoch milliseconds: the timestamps are of UTC, and say so nowhere; infinity is no moment."""
    moment = cast(func.floor(extract("epoch", column(name)) * 1000), BigInteger)
    return case((func.isfinite(column(name)), moment)).label(name)


def _text_of(name: str) -> Any:
    return cast(column(name), Text).label(name)


_TIMES = (_moment_of("created_at"), _moment_of("updated_at"))
_SOURCE: tuple[ColumnElement[Any], ...] = (column("source_type"), column("source_id"), _text_of("metadata"))
_servers, _agents = table("message_servers"), table("agents")
_channels = table("channels", column("id"), column("created_at"))
_participants = table("channel_participants")
_messages = table("central_messages", column("id"), column("created_at"))

_COLUMNS = (
    select(column("column_name", String))
    .select_from(table("columns", schema="information_schema"))
    .where(column("table_name") == bindparam("table"), text("table_schema = ANY(current_schemas(false))"))
)
_LIST_SERVERS = select(_text_of("id"), column("name"), *_SOURCE, *_TIMES).select_from(_servers)
_LIST_MESSAGES = (
    select(
        _messages.c.id,
        *(column(name) for name in ("channel_id", "author_id", "content")),
        _text_of("raw_message"),
        column("in_reply_to_root_message_id").label("parent_id"),
        *_SOURCE,
        *_TIMES,
    )
    .select_from(_messages)
    .order_by(_messages.c.created_at, _messages.c.id)
)
_COUNT_MESSAGES = select(func.count()).select_from(_messages)
_LIST_AGENTS = select(_text_of("id"), column("name")).select_from(_agents)
_LIST_SPEAKING = (
    select(column("author_id", String))
    .select_from(_messages)
    .where(column("source_type").in_(("agent_response", "agent_action")))
    .distinct()
)


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[Tables]:
    """Give elizaOS's tables as they are at this moment; raise BadSetting if they cannot be read."""
    try:
        url = make_url(address.replace("postgres://", "postgresql://", 1))
    except ArgumentError:
        url = None
    if url is None or url.get_backend_name() != "postgresql":
        raise BadSetting("The source must be postgresql://USER:PASSWORD@HOST/NAME, or http://HOST:PORT")
    try:
        engine = create_async_engine(for_asyncpg(url), hide_parameters=True, connect_args=_OPENLY)
    except ValueError as error:
        raise BadSetting(f"The source {error}") from None
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    try:
        async with engine.connect() as connection:
            yield await Tables.find(await connection.execution_options(**options))
    except (DBAPIError, OSError) as error:
        cause = getattr(error, "orig", None)
        reason = str(getattr(cause, "__cause__", None) or cause or error).partition("\n")[0]
        where = url.set(drivername="postgresql").render_as_string()
        raise BadSetting(f"{where}: cannot be read: {reason}") from None
    finally:
        await engine.dispose()


class _Words(NamedTuple):
    """What a version of plugin-sql calls a table, and columns of others."""

    agents_of_servers: str
    server: str
    participant: str


_WORDS = _Words("message_server_agents", "message_server_id", "entity_id")
_WORDS_BEFORE_1_6_5 = _Words("server_agents", "server_id", "user_id")


class Tables:
    """A source of elizaOS's rows."""

    def __init__(self, connection: AsyncConnection, words: _Words) -> None:
        self._connection = connection
        self._words = words

    @classmethod
    async def find(cls, connection: AsyncConnection) -> Tables:
        """Return the source in a database; raise BadSetting if elizaOS has no tables there."""

        async def columns(name: str) -> set[str]:
            return set((await connection.execute(_COLUMNS, {"table": name})).scalars())

        of_channels = await columns("channels")
        if not of_channels or not await columns("central_messages"):
            raise BadSetting(
                "The database has no tables of elizaOS 1.x: central_messages, channels and others"
            )
        return cls(connection, _WORDS if _WORDS.server in of_channels else _WORDS_BEFORE_1_6_5)

    async def servers(self) -> list[Row]:
        """Return the message servers."""
        return [_row(row._mapping) for row in await self._connection.execute(_LIST_SERVERS)]

    async def agents(self) -> list[Row]:
        """Return the agents that elizaOS runs, and those of which nothing is left but what they said."""
        server_id = _text_of(self._words.server)
        pairs = select(_text_of("agent_id"), server_id).select_from(table(self._words.agents_of_servers))
        homes: dict[str, list[str]] = defaultdict(list)
        for agent, server in await self._connection.execute(pairs):
            homes[agent].append(server)
        names = dict.fromkeys((await self._connection.execute(_LIST_SPEAKING)).scalars(), "")
        names |= dict(map(tuple, await self._connection.execute(_LIST_AGENTS)))
        return [{"id": one, "name": name, "server_ids": homes[one]} for one, name in names.items()]

    async def channels(self) -> list[Row]:
        """Return the channels of all servers, with their participants."""
        entity_id: ColumnElement[Any] = column(self._words.participant)
        members = select(column("channel_id"), entity_id).select_from(_participants).order_by(entity_id)
        present: dict[str, list[str]] = defaultdict(list)
        for channel, entity in await self._connection.execute(members):
            present[channel].append(entity)
        statement = (
            select(
                _channels.c.id,
                cast(column(self._words.server), Text).label("server_id"),
                *(column(name) for name in ("name", "type", "topic")),
                *_SOURCE,
                *_TIMES,
            )
            .select_from(_channels)
            .order_by(_channels.c.created_at, _channels.c.id)
        )
        found = [_row(row._mapping) for row in await self._connection.execute(statement)]
        return [row | {"participants": present[row["id"]]} for row in found]

    async def count_messages(self) -> int:
        """Return how many messages there are."""
        return int((await self._connection.execute(_COUNT_MESSAGES)).scalar_one())

    async def messages(self, _channel_ids: Sequence[str]) -> AsyncIterator[list[Row]]:
        """Yield the messages of all channels in the order of their time."""
        async with self._connection.stream(_LIST_MESSAGES) as result:
            async for page in result.partitions(PAGE):
                yield [_row(row._mapping) for row in page]


def _row(mapping: Mapping[Any, Any]) -> Row:
    """Return a row with its JSON decoded, where that can be: PostgreSQL's numbers and depth know no end."""
    row = {str(name): value for name, value in mapping.items()}
    for name in ("metadata", "raw_message"):
        if isinstance(row.get(name), str):
            with suppress(orjson.JSONDecodeError):
                row[name] = orjson.loads(row[name])
    return row
