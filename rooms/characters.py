"""Agents as elizaOS's clients describe them: by a character, of which Parley understands a part.

Name, bio and settings are the registry's, and change for everybody. What else a character says is kept as
it came, for whoever describes the agent; so is its picture, though clients have that among the settings,
which each message to the agent has the database look through.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection

from rooms import access, agents, rules, store
from rooms.agents import Change
from rooms.context import Context
from rooms.errors import Conflict
from rooms.patches import check_size, merged
from rooms.principals import Principal, Scope
from rooms.rows import Profile
from rooms.transaction import Transaction, one_by_one

_SETTINGS, _PICTURE = "settings", "avatar"


class Character(NamedTuple):
    """An agent, and what clients have said of it beyond its profile: nothing for those who may not see it."""

    profile: Profile
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CharacterDraft:
    """What a client says of an agent; what is None stays, and so do fields that are not among these.

    ``settings`` are a JSON merge patch (RFC 7396): null takes a setting away.
    """

    principal: Principal
    agent_id: str
    name: str | None = None
    bio: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)


async def require(ctx: Context, principal: Principal, agent_id: str) -> Character:
    """Return the agent; raise NotFound if it is absent, or the principal may not know of it."""
    return await ctx.database.read(lambda connection: _look_up(connection, principal, agent_id))


async def create(ctx: Context, draft: CharacterDraft) -> Character:
    """Register an agent.

    Raises PermissionDenied unless the principal may register agents, Conflict if the id is taken.
    """
    return await ctx.journal.append_one(_create_all, draft)


async def change(ctx: Context, draft: CharacterDraft) -> Character:
    """Describe the agent otherwise; raises what ``agents.change`` does."""
    return await ctx.journal.append_one(_change_all, draft)


def _look_up(connection: Connection, principal: Principal, agent_id: str) -> Character:
    profile = agents.look_up(connection, principal, agent_id)
    if profile.settings is None:
        return Character(profile, {})
    return _whole(profile, store.agents.find_character(connection, agent_id))


def _create(transaction: Transaction, draft: CharacterDraft) -> Character:
    access.require_scope(draft.principal, Scope.AGENTS_WRITE)
    if store.agents.find(transaction.connection, draft.agent_id):
        raise Conflict(f"An agent with ID '{draft.agent_id}' exists already; change it, or leave the id out")
    return _describe(transaction, draft, {}, {}, registers=True)


def _change(transaction: Transaction, draft: CharacterDraft) -> Character:
    known = _look_up(transaction.connection, draft.principal, draft.agent_id)
    return _describe(transaction, draft, known.profile.settings or {}, known.fields, registers=False)


def _describe(
    transaction: Transaction,
    draft: CharacterDraft,
    settings: dict[str, Any],
    fields: dict[str, Any],
    *,
    registers: bool,
) -> Character:
    said = fields | draft.fields
    settings = merged(settings, draft.settings)
    if _PICTURE in settings:
        said |= {_SETTINGS: {_PICTURE: settings.pop(_PICTURE)}}
    check_size("The character", said, rules.character)
    check_size("Field 'settings'", settings)
    change = Change(
        draft.principal,
        draft.agent_id,
        name=draft.name,
        bio=draft.bio,
        settings=settings,
        registers=registers,
    )
    profile = agents.apply_change(transaction, change)
    store.agents.put_character(transaction.connection, draft.agent_id, said)
    return _whole(profile, said)


def _whole(profile: Profile, kept: dict[str, Any]) -> Character:
    """Return the agent with its picture among its settings."""
    fields = {name: value for name, value in kept.items() if name != _SETTINGS}
    settings = (profile.settings or {}) | kept.get(_SETTINGS, {})
    return Character(profile._replace(settings=settings), fields)


_create_all = one_by_one(_create)
_change_all = one_by_one(_change)
