"""The agents of a message server: those that take part in a channel of it, and those that were added to it.

An agent that is added changes no channel. It is there to be talked to: whoever may see the server finds it
in its lists, before they have a channel in common.
"""

from __future__ import annotations

from dataclasses import dataclass

from rooms import access, agents, participants, servers, store
from rooms.context import Context
from rooms.errors import agent_not_found
from rooms.principals import Principal, Scope
from rooms.rules import MAX_LISTED
from rooms.transaction import Transaction, one_by_one

STEP = 100  # channels that an agent leaves in one commit


@dataclass(frozen=True, slots=True)
class Seating:
    """A wish that an agent should be, or no longer be, one of a server's."""

    principal: Principal
    server_id: str
    agent_id: str


async def list_of(ctx: Context, principal: Principal, server_id: str) -> list[str]:
    """Return the ids of the server's agents that the principal may know of; raise NotFound without it."""
    return [profile.id for profile in await agents.list_known(ctx, principal, server_id)]


async def list_servers(ctx: Context, principal: Principal, agent_id: str) -> list[str]:
    """Return the ids of the agent's servers that the principal may see.

    Raises NotFound without an agent that the principal may know of.
    """
    await agents.require(ctx, principal, agent_id)
    found = await ctx.database.read(lambda connection: store.servers.list_of(connection, agent_id))
    seen = {server.id for server in await servers.list_for(ctx, principal)}
    return [server.id for server in found if server.id in seen or agent_id == principal.id]


async def add(ctx: Context, wish: Seating) -> None:
    """Add the agent to the server; a second time changes nothing.

    Raises PermissionDenied unless the principal may change servers, NotFound without server or agent.
    """
    access.require_scope(wish.principal, Scope.SERVERS_WRITE)
    await ctx.journal.append_one(_add_all, wish, wish.server_id)


async def remove(ctx: Context, wish: Seating) -> None:
    """Have the agent be none of the server's: it leaves its channels there, but for dms, which nobody leaves.

    Raises as :func:`add` does.
    """
    access.require_scope(wish.principal, Scope.SERVERS_WRITE)
    while await ctx.journal.append_one(_remove_all, wish, wish.server_id):
        pass


def _require_both(transaction: Transaction, wish: Seating) -> None:
    servers.require(transaction.connection, wish.server_id)
    if store.agents.find(transaction.connection, wish.agent_id) is None:
        raise agent_not_found(wish.agent_id)


def _add(transaction: Transaction, wish: Seating) -> None:
    _require_both(transaction, wish)
    store.servers.add_agent(transaction.connection, wish.server_id, wish.agent_id, transaction.now)


def _remove(transaction: Transaction, wish: Seating) -> bool:
    """Have the agent leave some channels, and tell whether it is in others still."""
    _require_both(transaction, wish)
    connection = transaction.connection
    store.servers.remove_agent(connection, wish.server_id, wish.agent_id)
    found = store.channels.list_of(connection, wish.server_id, wish.agent_id, MAX_LISTED)
    places = [channel for channel, _ in found if not participants.is_dm(channel)]
    for channel in places[:STEP]:
        pair = (channel.id, wish.agent_id)
        participants.part(transaction, channel, store.participants.find(connection, [pair])[pair])
    return len(places) > STEP


_add_all = one_by_one(_add)
_remove_all = one_by_one(_remove)
