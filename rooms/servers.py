"""Message servers: the tenants, each with a log of its own."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from rooms import access, store
from rooms.context import Context
from rooms.errors import Conflict, channel_not_found, server_not_found
from rooms.ids import new_id
from rooms.principals import Principal, Scope
from rooms.rules import DEFAULT_SERVER_ID, is_uuid
from rooms.tables import Server
from rooms.transaction import Transaction, one_by_one

MAX_HOMES = 100_000


@dataclass(frozen=True, slots=True)
class ServerDraft:
    """A message server that is to be created, now unless it was at another time."""

    name: str
    source_type: str = "parley"
    source_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=new_id)
    created_at: int | None = None


async def create(ctx: Context, principal: Principal, draft: ServerDraft) -> Server:
    """Create a message server; raise Conflict if its id is taken."""
    access.require_scope(principal, Scope.SERVERS_WRITE)
    return await ctx.journal.append_one(_create_all, draft)


async def ensure_default(ctx: Context) -> None:
    """Create the default server unless it exists."""
    if not await ctx.database.read(lambda connection: store.servers.find(connection, [DEFAULT_SERVER_ID])):
        draft = ServerDraft("Default Server", source_type="parley_default", id=DEFAULT_SERVER_ID)
        await ctx.journal.append_one(_create_all, draft)


def require(connection: Connection, server_id: str) -> Server:
    """Return the server; raise NotFound without it."""
    found = store.servers.find(connection, [server_id]) if is_uuid(server_id) else {}
    if server_id not in found:
        raise server_not_found(server_id)
    return found[server_id]


async def require_server(ctx: Context, server_id: str) -> Server:
    """Return the server, as it was a moment ago; raise NotFound without it."""
    server = await ctx.servers.find(server_id) if is_uuid(server_id) else None
    if server is None:
        raise server_not_found(server_id)
    return server


async def find_or_default(ctx: Context, server_id: str) -> str:
    """Return the id if there is such a server, or else the default one's."""
    known = await ctx.servers.find(server_id) if is_uuid(server_id) else None
    return server_id if known else DEFAULT_SERVER_ID


async def require_home(ctx: Context, channel_id: str) -> str:
    """Return the id of the server that the channel belongs to; raise NotFound without that channel."""
    home = await find_home(ctx, channel_id)
    if home is None:
        raise channel_not_found(channel_id)
    return home


async def find_home(ctx: Context, channel_id: str) -> str | None:
    """Return the id of the server that the channel belongs to, or None without that channel."""
    home = ctx.homes.get(channel_id)
    if home is None:
        found = await ctx.database.read(lambda connection: store.channels.find(connection, [channel_id]))
        if channel_id not in found:
            return None
        if len(ctx.homes) >= MAX_HOMES:
            ctx.homes.clear()  # an LRU cache would cost each message more than this costs now and then
        home = ctx.homes[channel_id] = found[channel_id].server_id
    return home


async def require_channel_of(ctx: Context, server_id: str, channel_id: str) -> None:
    """Raise NotFound unless the channel belongs to the server."""
    if await require_home(ctx, channel_id) != server_id:
        raise channel_not_found(channel_id)


async def list_for(ctx: Context, principal: Principal) -> list[Server]:
    """Return the servers that the principal may see: all for a service, its own and the default one else."""

    def read(connection: Connection) -> list[Server]:
        if principal.may(Scope.MESSAGES_READ):
            return store.servers.list_all(connection)
        found = store.servers.list_of(connection, principal.id)
        if DEFAULT_SERVER_ID in {server.id for server in found}:
            return found
        return [*store.servers.find(connection, [DEFAULT_SERVER_ID]).values(), *found]

    return await ctx.database.read(read)


def create_within(transaction: Transaction, draft: ServerDraft) -> Server:
    """Create a message server as a part of something else; raise Conflict if its id is taken."""
    if store.servers.is_taken(transaction.connection, draft.id):
        raise Conflict(
            f"A message server with ID '{draft.id}' exists already, or was deleted; choose another ID"
        )
    row = Server(
        id=draft.id,
        name=draft.name,
        source_type=draft.source_type,
        source_id=draft.source_id,
        details=draft.metadata,
        epoch=secrets.randbits(32),
        created_at=transaction.now if draft.created_at is None else draft.created_at,
        updated_at=transaction.now,
    )
    store.servers.add(transaction.connection, row.model_dump())
    return row


_create_all = one_by_one(create_within)
