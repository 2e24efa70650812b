"""Agents as elizaOS's clients describe them: by a character, of which Parley understands a part.

Name, bio and settings are the registry's, and change for everybody. What else a character says is kept as
it came, for whoever describes the agent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection

from rooms import access, agents, rules, store
from rooms.agents import Change
from rooms.context import Context
from rooms.errors import Conflict, ValidationFailed
from rooms.ids import new_id
from rooms.principals import Principal, Scope
from rooms.rows import Profile
from rooms.transaction import Transaction, one_by_one


class Character(NamedTuple):
    """An agent, and what clients have said of it beyond its profile: nothing for those who may not see it."""

    profile: Profile
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Description:
    """What a client says of an agent; what is None stays, and so do fields that are not among these.

    ``settings`` are a JSON merge patch (RFC 7396): null takes a setting away.
    """

    principal: Principal
    name: str | None = None
    bio: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    agent_id: str = field(default_factory=new_id)


async def require(ctx: Context, principal: Principal, agent_id: str) -> Character:
    """Return the agent; raise NotFound if it is absent, or the principal may not know of it."""
    return await ctx.database.read(lambda connection: _look_up(connection, principal, agent_id))


async def create(ctx: Context, wish: Description) -> Character:
    """Register an agent.

    Raises PermissionDenied unless the principal may register agents, Conflict if the id is taken.
    """
    return await ctx.journal.append_one(_create_all, wish)


async def change(ctx: Context, wish: Description) -> Character:
    """Describe the agent otherwise; raises what ``agents.change`` does."""
    return await ctx.journal.append_one(_change_all, wish)


def merged(settings: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return the settings as a JSON merge patch leaves them."""
    kept = {name: value for name, value in settings.items() if name not in patch}
    for name, value in patch.items():
        if isinstance(value, dict):
            before = settings.get(name)
            kept[name] = merged(before if isinstance(before, dict) else {}, value)
        elif value is not None:
            kept[name] = value
    return kept


def _look_up(connection: Connection, principal: Principal, agent_id: str) -> Character:
    profile = agents.look_up(connection, principal, agent_id)
    if profile.settings is None:
        return Character(profile, {})
    return Character(profile, store.agents.find_character(connection, agent_id))


def _create(transaction: Transaction, wish: Description) -> Character:
    access.require_scope(wish.principal, Scope.AGENTS_WRITE)
    found = store.agents.list_profiles(transaction.connection, 1, viewer=None, agent_id=wish.agent_id)
    if found:
        raise Conflict(f"An agent with ID '{wish.agent_id}' exists already; change it, or leave the id out")
    return _describe(transaction, wish, {}, {}, registers=True)


def _change(transaction: Transaction, wish: Description) -> Character:
    known = _look_up(transaction.connection, wish.principal, wish.agent_id)
    return _describe(transaction, wish, known.profile.settings or {}, known.fields, registers=False)


def _describe(
    transaction: Transaction,
    wish: Description,
    settings: dict[str, Any],
    fields: dict[str, Any],
    *,
    registers: bool,
) -> Character:
    said, settings = fields | wish.fields, merged(settings, wish.settings)
    _check_size("The character", said)
    _check_size("Field 'settings'", settings)
    change = Change(
        wish.principal, wish.agent_id, name=wish.name, bio=wish.bio, settings=settings, registers=registers
    )
    profile = agents.apply_change(transaction, change)
    store.agents.put_character(transaction.connection, wish.agent_id, said)
    return Character(profile, said)


def _check_size(what: str, said: dict[str, Any]) -> None:
    """Raise ValidationFailed if what was said by and by has become too much."""
    try:
        rules.raw_message(said)
    except ValueError as error:
        raise ValidationFailed(f"{what} {error}") from error


_create_all = one_by_one(_create)
_change_all = one_by_one(_change)
