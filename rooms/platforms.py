"""Platforms: places elsewhere where an agent answers, and what is known of how to reach them.

Whoever says where a secret is sent could have it sent to a place of its own: only who may keep secrets
may connect platforms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from rooms import access, agents, store
from rooms.context import Context
from rooms.discord import Discord
from rooms.errors import ValidationFailed, platform_not_found
from rooms.ids import new_id
from rooms.platform_kind import PlatformKind
from rooms.platform_tables import Platform
from rooms.principals import Principal, Scope
from rooms.rules import is_uuid
from rooms.signed_posts import SignedPosts
from rooms.telegram import Telegram
from rooms.transaction import Transaction, one_by_one
from rooms.twitter import Twitter

KINDS: Mapping[str, PlatformKind] = {
    "discord": Discord(),
    "telegram": Telegram(),
    "twitter": Twitter(),
    "webhook": SignedPosts(),
}


@dataclass(frozen=True, slots=True)
class PlatformDraft:
    """A platform that is to be connected; ``api_url`` is its kind's unless told."""

    principal: Principal
    kind: str
    agent_id: str
    secrets: Mapping[str, str]
    api_url: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be different about a platform; what is None stays."""

    principal: Principal
    platform_id: str
    agent_id: str | None = None
    secrets: Mapping[str, str] | None = None
    api_url: str | None = None


async def create(ctx: Context, draft: PlatformDraft) -> Platform:
    """Connect a platform.

    Raises PermissionDenied without ``secrets:write``, and ValidationFailed for uses of secrets that the
    kind does not have or that are missing, for secrets that are not granted to the agent, and for a URL
    that requests may not be made to.
    """
    access.require_scope(draft.principal, Scope.SECRETS_WRITE)
    _check_url(ctx, draft.api_url)
    return await ctx.journal.append_one(_create_all, draft)


async def change(ctx: Context, change: Change) -> Platform:
    """Change what is known of a platform; errors as of :func:`create`, and NotFound without it."""
    access.require_scope(change.principal, Scope.SECRETS_WRITE)
    _check_url(ctx, change.api_url)
    return await ctx.journal.append_one(_change_all, change)


async def remove(ctx: Context, principal: Principal, platform_id: str) -> Platform:
    """Take no more from a platform, and send nothing more to it; return what was known of it."""
    access.require_scope(principal, Scope.SECRETS_WRITE)
    return await ctx.journal.append_one(_remove_all, platform_id)


async def require(ctx: Context, principal: Principal, platform_id: str) -> Platform:
    """Return a platform; raise NotFound without it, and for whom it is not to see."""
    return await ctx.database.read(lambda connection: require_visible(connection, principal, platform_id))


async def list_page(ctx: Context, principal: Principal, before: str | None, limit: int) -> Sequence[Platform]:
    """Return the newest platforms, or the newest before one; an agent sees those that it answers on.

    Raises PermissionDenied for users, and for services without ``secrets:write``.
    """
    agent_id = access.find_grantee(principal)
    return await ctx.database.read(
        lambda connection: store.platforms.list_page(connection, agent_id, before, limit)
    )


def require_visible(connection: Connection, principal: Principal, platform_id: str) -> Platform:
    """Return a platform; raise NotFound unless the principal keeps secrets, or is its agent."""
    found = find(connection, platform_id)
    if found is None or not (principal.may(Scope.SECRETS_WRITE) or principal.id == found.agent_id):
        raise platform_not_found(platform_id)
    return found


def find(connection: Connection, platform_id: str) -> Platform | None:
    """Return the platform, or None."""
    return store.platforms.find(connection, platform_id) if is_uuid(platform_id) else None


def _check_url(ctx: Context, api_url: str | None) -> None:
    try:
        if api_url:
            ctx.policy.reach.require_url(api_url)
    except ValueError as error:
        raise ValidationFailed(f"Field 'api_url' {error}") from None


def _create(transaction: Transaction, draft: PlatformDraft) -> Platform:
    kind = KINDS[draft.kind]
    api_url = kind.api_url if draft.api_url is None else draft.api_url.rstrip("/")
    now = transaction.now
    platform = Platform(
        id=new_id(),
        kind=draft.kind,
        agent_id=draft.agent_id,
        secrets=dict(draft.secrets),
        api_url=api_url,
        created_at=now,
        updated_at=now,
    )
    _require_whole(transaction.connection, platform)
    store.platforms.add(transaction.connection, platform.model_dump())
    return platform


def _change(transaction: Transaction, change: Change) -> Platform:
    found = _require(transaction.connection, change.platform_id)
    changed = Platform(
        id=found.id,
        kind=found.kind,
        agent_id=found.agent_id if change.agent_id is None else change.agent_id,
        secrets=dict(found.secrets if change.secrets is None else change.secrets),
        api_url=found.api_url if change.api_url is None else change.api_url.rstrip("/"),
        created_at=found.created_at,
        updated_at=transaction.now,
    )
    _require_whole(transaction.connection, changed)
    store.platforms.change(transaction.connection, changed.id, changed.model_dump(exclude={"id"}))
    return changed


def _remove(transaction: Transaction, platform_id: str) -> Platform:
    found = _require(transaction.connection, platform_id)
    store.platforms.remove(transaction.connection, platform_id)
    return found


def _require(connection: Connection, platform_id: str) -> Platform:
    found = find(connection, platform_id)
    if found is None:
        raise platform_not_found(platform_id)
    return found


def _require_whole(connection: Connection, platform: Platform) -> None:
    """Raise ValidationFailed unless the platform has the secrets that its kind needs, and an agent."""
    kind, uses = KINDS[platform.kind], platform.secrets.keys()
    if missing := kind.required - uses:
        raise ValidationFailed(f"Field 'secrets' must name a secret for {', '.join(sorted(missing))}")
    if unknown := uses - kind.required - kind.optional:
        known = ", ".join(sorted(kind.required | kind.optional))
        raise ValidationFailed(f"Field 'secrets' has no use for '{min(unknown)}', but for {known}")
    if not agents.is_known(connection, platform.agent_id):
        raise ValidationFailed(
            f"Field 'agent_id' must name an agent; there is none with ID '{platform.agent_id}'"
        )
    for name in platform.secrets.values():
        held = store.vault.find_held(connection, name, platform.agent_id)
        if held is None or not held.is_granted:
            raise ValidationFailed(
                f"Agent '{platform.agent_id}' may not use the secret '{name}': "
                "put it into the vault, and grant it to the agent"
            )


_create_all = one_by_one(_create)
_change_all = one_by_one(_change)
_remove_all = one_by_one(_remove)
