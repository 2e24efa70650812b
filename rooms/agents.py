"""The registry of agents: what they are called, what they can do, and whether they are to be addressed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from rooms import access, entities, servers, store
from rooms.context import Context
from rooms.errors import Conflict, PermissionDenied, agent_not_found
from rooms.principals import Kind, Principal, Scope
from rooms.rows import Counts, Profile
from rooms.rules import MAX_LISTED
from rooms.tables import Entity
from rooms.transaction import Transaction, one_by_one


@dataclass(frozen=True, slots=True)
class Change:
    """A wish that an agent should be described otherwise; what is None stays as it is.

    Unless ``has_handle`` the agent keeps its handle, which may be given up. One that ``registers`` makes
    the agent known if it is not.
    """

    principal: Principal
    agent_id: str
    name: str | None = None
    handle: str | None = None
    has_handle: bool = False
    bio: str | None = None
    capabilities: Sequence[str] | None = None
    settings: dict[str, Any] | None = None
    is_active: bool | None = None
    registers: bool = False


async def require(ctx: Context, principal: Principal, agent_id: str) -> Profile:
    """Return the agent; raise NotFound if it is absent, or the principal may not know of it."""
    return await ctx.database.read(lambda connection: look_up(connection, principal, agent_id))


async def list_known(ctx: Context, principal: Principal, server_id: str | None = None) -> list[Profile]:
    """Return the agents that the principal may know of, the active ones first, then by name.

    With a server, those that take part in a channel of it. Raises NotFound without that server.
    """

    def read(connection: Connection) -> list[Profile]:
        if server_id is not None:
            servers.require(connection, server_id)
        viewer = _viewer(principal)
        found = store.agents.list_profiles(connection, MAX_LISTED, viewer=viewer, server_id=server_id)
        return [_shown(principal, profile) for profile in found]

    return await ctx.database.read(read)


async def count(ctx: Context) -> Counts:
    """Count all agents."""
    return await ctx.database.read(store.agents.count)


async def change(ctx: Context, wish: Change) -> Profile:
    """Describe the agent otherwise, and return it as it is now.

    Raises PermissionDenied unless the principal is the agent, or may change agents, NotFound without the
    agent, ValidationFailed if the handle is taken, Conflict if somebody who is no agent has the id.
    """
    return await ctx.journal.append_one(_change_all, wish)


def _viewer(principal: Principal) -> str | None:
    """Return from whose channels agents are known to the principal, or None if all are."""
    sees_all = principal.may(Scope.MESSAGES_READ) or principal.may(Scope.AGENTS_WRITE)
    return None if sees_all else principal.id


def _shown(principal: Principal, profile: Profile) -> Profile:
    """Return the agent as the principal may see it: its settings are its own."""
    if access.may_act_for(principal, profile.id):
        return profile
    return profile._replace(settings=None)


def is_known(connection: Connection, agent_id: str) -> bool:
    """Tell whether there is such an agent, and it was not ended."""
    return bool(store.agents.list_profiles(connection, 1, viewer=None, agent_id=agent_id))


def look_up(connection: Connection, principal: Principal, agent_id: str) -> Profile:
    """Return the agent; raise NotFound as :func:`require` does."""
    viewer = _viewer(principal)
    found = store.agents.list_profiles(connection, 1, viewer=viewer, agent_id=agent_id)
    if not found:
        raise agent_not_found(agent_id)
    return _shown(principal, found[0])


def apply_change(transaction: Transaction, wish: Change) -> Profile:
    """Do what :func:`change` does, within a transaction."""
    connection = transaction.connection
    entity = _require_right(transaction, wish)
    handle = wish.handle if wish.has_handle else entity.handle
    entities.set_names(connection, entity, wish.name or entity.name, handle)
    before = look_up(connection, wish.principal, wish.agent_id)
    stated = {name: getattr(wish, name) for name in ("bio", "capabilities", "settings", "is_active")}
    changed = {name: value for name, value in stated.items() if value is not None}
    profile = before._replace(**changed, updated_at=transaction.now)
    store.agents.put(connection, profile, transaction.now)
    return profile


def _require_right(transaction: Transaction, wish: Change) -> Entity:
    """Return whom the wish is about, which is known by then if it is to be registered."""
    if not access.may_act_for(wish.principal, wish.agent_id):
        look_up(transaction.connection, wish.principal, wish.agent_id)
        raise PermissionDenied("Only the agent itself and services with agents:write may change it")
    if wish.registers:
        entities.register(transaction, wish.agent_id, Kind.AGENT)
        store.agents.restore(transaction.connection, wish.agent_id)
    store.agents.lock(transaction.connection, wish.agent_id)
    found = store.entities.find(transaction.connection, [wish.agent_id]).get(wish.agent_id)
    if found is not None and found.kind == Kind.AGENT:
        return found
    if wish.registers:
        raise Conflict(
            f"'{wish.agent_id}' is not known as an agent; choose another id, or make it a key of kind agent"
        )
    raise agent_not_found(wish.agent_id)


_change_all = one_by_one(apply_change)
