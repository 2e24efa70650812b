"""Platforms: places elsewhere where an agent answers, and what is known of how to reach them.

Whoever says where a secret is sent could have it sent to a place of its own: only who may keep secrets
may connect platforms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from rooms import access, agents, store, uses, vault
from rooms.context import Context
from rooms.discord import Discord
from rooms.errors import ValidationFailed, platform_not_found
from rooms.ids import new_id
from rooms.platform_kind import PlatformKind
from rooms.platform_tables import Platform
from rooms.principals import Principal, Scope
from rooms.rules import is_uuid
from rooms.sealing import Sealer
from rooms.signed_posts import SignedPosts
from rooms.telegram import Telegram
from rooms.transaction import Transaction, one_by_one
from rooms.twitter import Twitter
from rooms.uses import Purpose, Use

KINDS: Mapping[str, PlatformKind] = {
    "discord": Discord(),
    "telegram": Telegram(),
    "twitter": Twitter(),
    "webhook": SignedPosts(),
}


@dataclass(frozen=True, slots=True)
class PlatformDraft:
    """A platform that is to be connected; ``api_url`` is its kind's unless told.

    ``secrets`` are their names, by use; those that are to be kept in the same commit are in ``values``, by
    name.
    """

    principal: Principal
    kind: str
    agent_id: str
    secrets: Mapping[str, str]
    api_url: str | None = None
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    id: str = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be different about a platform; what is None stays."""

    principal: Principal
    platform_id: str
    agent_id: str | None = None
    secrets: Mapping[str, str] | None = None
    api_url: str | None = None


@dataclass(frozen=True, slots=True)
class _Creation:
    """A platform that is to be connected, and the encrypted secrets that are kept with it, by name."""

    draft: PlatformDraft
    sealed: Mapping[str, bytes] = field(repr=False)
    sealer: Sealer | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Correction:
    """A change, and what opens the secret that it may name."""

    change: Change
    sealer: Sealer | None = field(repr=False)


async def create(ctx: Context, draft: PlatformDraft) -> Platform:
    """Connect a platform.

    Raises PermissionDenied without ``secrets:write``, and ValidationFailed for uses of secrets that the
    kind does not have or that are missing, for secrets that are not granted to the agent or cannot be what
    they are for, and for a URL that requests may not be made to.
    """
    access.require_scope(draft.principal, Scope.SECRETS_WRITE)
    _check_url(ctx, draft.api_url)
    sealed = {name: vault.seal(ctx, name, value) for name, value in draft.values.items()}
    return await ctx.journal.append_one(_create_all, _Creation(draft, sealed, ctx.sealer))


async def change(ctx: Context, change: Change) -> Platform:
    """Change what is known of a platform; errors as of :func:`create`, and NotFound without it."""
    access.require_scope(change.principal, Scope.SECRETS_WRITE)
    _check_url(ctx, change.api_url)
    return await ctx.journal.append_one(_change_all, _Correction(change, ctx.sealer))


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


def _create(transaction: Transaction, wish: _Creation) -> Platform:
    draft, kind = wish.draft, KINDS[wish.draft.kind]
    api_url = kind.api_url if draft.api_url is None else draft.api_url.rstrip("/")
    now = transaction.now
    platform = Platform(
        id=draft.id,
        kind=draft.kind,
        agent_id=draft.agent_id,
        secrets=dict(draft.secrets),
        api_url=api_url,
        created_at=now,
        updated_at=now,
    )
    _require_form(transaction.connection, platform)
    for name, sealed in wish.sealed.items():
        vault.keep(transaction, name, sealed)
        vault.allow(transaction, draft.principal, name, draft.agent_id)
    _require_secrets(transaction, wish.sealer, platform)
    store.platforms.add(transaction.connection, platform.model_dump())
    return platform


def _change(transaction: Transaction, wish: _Correction) -> Platform:
    change = wish.change
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
    _require_form(transaction.connection, changed)
    _require_secrets(transaction, wish.sealer, changed)
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


def _require_form(connection: Connection, platform: Platform) -> None:
    """Raise ValidationFailed unless the platform names the secrets that its kind needs, and an agent."""
    kind, named = KINDS[platform.kind], platform.secrets.keys()
    if missing := kind.required - named:
        raise ValidationFailed(f"Field 'secrets' must name a secret for {', '.join(sorted(missing))}")
    if unknown := named - kind.required - kind.optional:
        known = ", ".join(sorted(kind.required | kind.optional))
        raise ValidationFailed(f"Field 'secrets' has no use for '{min(unknown)}', but for {known}")
    if not agents.is_known(connection, platform.agent_id):
        raise ValidationFailed(
            f"Field 'agent_id' must name an agent; there is none with ID '{platform.agent_id}'"
        )


def _require_secrets(transaction: Transaction, sealer: Sealer | None, platform: Platform) -> None:
    """Raise ValidationFailed unless the agent may use the secrets, and the one that proves can do that."""
    for name in platform.secrets.values():
        held = store.vault.find_held(transaction.connection, name, platform.agent_id)
        if held is None or not held.is_granted:
            raise ValidationFailed(
                f"Agent '{platform.agent_id}' may not use the secret '{name}': "
                "put it into the vault, and grant it to the agent"
            )
    kind = KINDS[platform.kind]
    name = platform.secrets[kind.proof]
    use = Use(name, platform.agent_id, Purpose.CHECK, platform.id)
    value = uses.open_secret(transaction, sealer, use).value
    if value is None:
        raise ValidationFailed(
            f"The secret '{name}' cannot be read: it was encrypted under another PARLEY_SECRET; put it again"
        )
    if flaw := kind.find_flaw(value):
        raise ValidationFailed(f"The secret '{name}' is no {kind.proof} for {platform.kind}: it {flaw}")


_create_all = one_by_one(_create)
_change_all = one_by_one(_change)
_remove_all = one_by_one(_remove)
