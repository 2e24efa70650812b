"""What elizaOS calls worlds: message servers, which an agent is in by taking part in a channel of theirs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from rooms import access, agents, rules, server_agents, servers, store
from rooms.characters import merged
from rooms.context import Context
from rooms.errors import ValidationFailed, server_not_found
from rooms.memories import Mind
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


async def join(ctx: Context, mind: Mind, server_id: str) -> Server:
    """Return the world, which the agent is in since then.

    Raises NotFound if the principal may not know of the agent, or there is no such world, ValidationFailed
    if the agent is not in it, and the principal may not add it.
    """
    if mind.principal.may(Scope.SERVERS_WRITE):
        await server_agents.add(ctx, Seating(mind.principal, server_id, mind.agent_id))
    return await _require_with(ctx, mind, server_id)


async def _require_with(ctx: Context, mind: Mind, server_id: str) -> Server:

    def read(connection: Connection) -> Server:
        agents.look_up(connection, mind.principal, mind.agent_id)
        server = _require(connection, server_id)
        viewer = None if mind.principal.may(Scope.MESSAGES_READ) else mind.principal.id
        if not store.agents.list_profiles(
            connection, 1, viewer=viewer, server_id=server.id, agent_id=mind.agent_id
        ):
            raise ValidationFailed(
                f"Agent '{mind.agent_id}' takes part in no channel of message server '{server.id}'; "
                "add it to one, and it is in this world, or have a service with servers:write add it"
            )
        return server

    return await ctx.database.read(read)


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


def _change(transaction: Transaction, wish: Wish) -> Server:
    access.require_scope(wish.principal, Scope.SERVERS_WRITE)
    server = _require(transaction.connection, wish.server_id)
    details = merged(server.details, wish.metadata)
    try:
        rules.raw_message(details)
    except ValueError as error:
        raise ValidationFailed(f"The metadata {error}") from error
    name = wish.name or server.name
    store.servers.describe(transaction.connection, server.id, name, details, transaction.now)
    return _require(transaction.connection, server.id)


def _require(connection: Connection, server_id: str) -> Server:
    found = store.servers.find(connection, [server_id]) if is_uuid(server_id) else {}
    if server_id not in found:
        raise server_not_found(server_id)
    return found[server_id]


_change_all = one_by_one(_change)
