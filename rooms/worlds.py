"""What elizaOS calls worlds: message servers, which an agent is in by taking part in a channel of theirs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from rooms import access, agents, server_agents, servers, store
from rooms.context import Context
from rooms.errors import ValidationFailed, server_not_found
from rooms.memories import Inquiry
from rooms.patches import check_size, merged
from rooms.principals import Principal, Scope
from rooms.rules import is_uuid
from rooms.server_agents import Seating
from rooms.servers import ServerDraft
from rooms.tables import Server
from rooms.transaction import Transaction, one_by_one


@dataclass(frozen=True, slots=True)
class Wish:
    """A wish that a world should be described otherwise; ``metadata`` are a JSON merge patch."""

    principal: Principal
    server_id: str
    name: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


async def join(ctx: Context, inquiry: Inquiry, server_id: str) -> Server:
    """Return the world, which the agent is in since then.

    Raises NotFound if the principal may not know of the agent, or there is no such world, ValidationFailed
    if the agent is not in it, and the principal may not add it.
    """
    await agents.require(ctx, inquiry.principal, inquiry.agent_id)
    if inquiry.principal.may(Scope.SERVERS_WRITE):
        await server_agents.add(ctx, Seating(inquiry.principal, server_id, inquiry.agent_id))
    return await _require_with(ctx, inquiry, server_id)


async def ensure(ctx: Context, principal: Principal, draft: ServerDraft) -> Server:
    """Return the world of the draft's id, which is created if there is none.

    Raises PermissionDenied unless the principal may see it, or may create servers.
    """
    if not is_uuid(draft.id):
        raise server_not_found(draft.id)
    known = {server.id: server for server in await servers.list_for(ctx, principal)}
    return known.get(draft.id) or await servers.create(ctx, principal, draft)


async def change(ctx: Context, wish: Wish) -> Server:
    """Describe a world otherwise; raise PermissionDenied, NotFound, or ValidationFailed if it is too much."""
    return await ctx.journal.append_one(_change_all, wish)


async def _require_with(ctx: Context, inquiry: Inquiry, server_id: str) -> Server:
    def read(connection: Connection) -> Server:
        server = servers.require(connection, server_id)
        viewer = None if inquiry.principal.may(Scope.MESSAGES_READ) else inquiry.principal.id
        if not store.agents.list_profiles(
            connection, 1, viewer=viewer, server_id=server.id, agent_id=inquiry.agent_id
        ):
            raise ValidationFailed(
                f"Agent '{inquiry.agent_id}' takes part in no channel of message server '{server.id}'; "
                "add it to one, and it is in this world, or have a service with servers:write add it"
            )
        return server

    return await ctx.database.read(read)


def _change(transaction: Transaction, wish: Wish) -> Server:
    access.require_scope(wish.principal, Scope.SERVERS_WRITE)
    server = servers.require(transaction.connection, wish.server_id)
    details = check_size("The metadata", merged(server.details, wish.metadata))
    name = wish.name or server.name
    store.servers.describe(transaction.connection, server.id, name, details, transaction.now)
    return servers.require(transaction.connection, server.id)


_change_all = one_by_one(_change)
