"""The vault: the secrets of agents and of the platforms they talk on, in one table, encrypted.

Who keeps them says for which agents they may be used. They are used by name, and nobody reads them
again: neither who has put them there, nor the agents. See :mod:`rooms.uses` for what is done with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection

from rooms import access, agents, rules, store, uses
from rooms.context import Context
from rooms.errors import Conflict, NotFound, ValidationFailed, agent_not_found
from rooms.principals import Principal, Scope
from rooms.sealing import Sealer
from rooms.transaction import Transaction, one_by_one
from rooms.vault_tables import VaultSecret


class Kept(NamedTuple):
    """A secret that is kept, and for whom it may be used, as far as whoever asks may know."""

    secret: VaultSecret
    agent_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Wish:
    """A principal's wish for a secret: what it should be, or for whom."""

    principal: Principal
    name: str
    agent_ids: Sequence[str] = ()
    sealed: bytes = field(default=b"", repr=False)


async def put(
    ctx: Context, principal: Principal, name: str, value: str, agent_ids: Sequence[str] = ()
) -> Kept:
    """Keep a secret under that name, in the place of the one that has it if there is one.

    It may be used for these agents from then on, and for those for which the other might. Raises
    PermissionDenied without ``secrets:write``, NotFound without one of the agents, and ValidationFailed for
    a name that cannot be, and where there is nothing to encrypt the secret under.
    """
    access.require_scope(principal, Scope.SECRETS_WRITE)
    try:
        rules.secret_name(name)
    except ValueError as error:
        raise ValidationFailed(f"The name of a secret {error}") from None
    return await ctx.journal.append_one(_put_all, _Wish(principal, name, agent_ids, seal(ctx, name, value)))


async def remove(ctx: Context, principal: Principal, name: str) -> Kept:
    """Forget a secret, and return what was known of it.

    Raises PermissionDenied without ``secrets:write``, NotFound without a secret of that name, and Conflict
    for one that goes with its webhook alone.
    """
    access.require_scope(principal, Scope.SECRETS_WRITE)
    return await ctx.journal.append_one(_remove_all, _Wish(principal, name))


async def grant(ctx: Context, principal: Principal, name: str, agent_id: str) -> Kept:
    """Let the secret be used for an agent; errors as of :func:`remove`, and NotFound without the agent."""
    access.require_scope(principal, Scope.SECRETS_WRITE)
    return await ctx.journal.append_one(_grant_all, _Wish(principal, name, [agent_id]))


async def withdraw(ctx: Context, principal: Principal, name: str, agent_id: str) -> Kept:
    """Let the secret be used for an agent no more; errors as of :func:`remove`."""
    access.require_scope(principal, Scope.SECRETS_WRITE)
    return await ctx.journal.append_one(_withdraw_all, _Wish(principal, name, [agent_id]))


async def list_page(ctx: Context, principal: Principal, after: str, limit: int) -> Sequence[Kept]:
    """Return the secrets behind a name, in order of their names; an agent sees those granted to it.

    Raises PermissionDenied for users, and for services without ``secrets:write``.
    """
    agent_id = access.find_grantee(principal)

    def read(connection: Connection) -> Sequence[Kept]:
        found = store.vault.list_page(connection, agent_id, after, limit)
        if agent_id is not None:
            return [Kept(one, [agent_id]) for one in found]
        return _with_grants(connection, found)

    return await ctx.database.read(read)


def require_sealer(ctx: Context) -> Sealer:
    """Return what encrypts secrets; raise ValidationFailed where the operator has set nothing to do it."""
    if ctx.sealer is None:
        raise ValidationFailed(
            "Secrets are encrypted under PARLEY_SECRET, which is not set; "
            "the server's operator sets it, and then this works",
            message="PARLEY_SECRET is not set",
        )
    return ctx.sealer


def seal(ctx: Context, name: str, value: str) -> bytes:
    """Return the value, encrypted for the secret of that name; errors as of :func:`require_sealer`."""
    return require_sealer(ctx).seal(value.encode(), uses.owner(name))


def keep(transaction: Transaction, name: str, sealed: bytes) -> None:
    """Keep a secret under that name."""
    store.vault.put(transaction.connection, name, sealed, transaction.now)


def allow(transaction: Transaction, principal: Principal, name: str, agent_id: str) -> None:
    """Let a secret be used for an agent."""
    row = {"name": name, "agent_id": agent_id, "granted_by": principal.id, "created_at": transaction.now}
    store.vault.grant(transaction.connection, row)


def _put(transaction: Transaction, wish: _Wish) -> Kept:
    keep(transaction, wish.name, wish.sealed)
    return _grant(transaction, wish)


def _remove(transaction: Transaction, wish: _Wish) -> Kept:
    found = _require_changeable(transaction.connection, wish.name)
    store.vault.remove(transaction.connection, wish.name)
    return found


def _grant(transaction: Transaction, wish: _Wish) -> Kept:
    _require_changeable(transaction.connection, wish.name)
    for agent_id in wish.agent_ids:
        if not agents.is_known(transaction.connection, agent_id):
            raise agent_not_found(agent_id)
        allow(transaction, wish.principal, wish.name, agent_id)
    return _require(transaction.connection, wish.name)


def _withdraw(transaction: Transaction, wish: _Wish) -> Kept:
    _require_changeable(transaction.connection, wish.name)
    for agent_id in wish.agent_ids:
        store.vault.withdraw(transaction.connection, wish.name, agent_id)
    return _require(transaction.connection, wish.name)


def _require(connection: Connection, name: str) -> Kept:
    # Neither database could be asked for what is not printable.
    found = store.vault.find(connection, name) if name.isprintable() else None
    if found is None:
        raise NotFound(f"There is no secret with the name '{name}'", message="Secret not found")
    (kept,) = _with_grants(connection, [found])
    return kept


def _require_changeable(connection: Connection, name: str) -> Kept:
    found = _require(connection, name)
    if name.startswith(uses.OF_WEBHOOKS):
        raise Conflict(f"The secret '{name}' belongs to a webhook; change or remove that instead")
    return found


def _with_grants(connection: Connection, secrets: Sequence[VaultSecret]) -> list[Kept]:
    granted: dict[str, list[str]] = {secret.name: [] for secret in secrets}
    for one in store.vault.list_grants(connection, granted):
        granted[one.name].append(one.agent_id)
    return [Kept(secret, granted[secret.name]) for secret in secrets]


_put_all = one_by_one(_put)
_remove_all = one_by_one(_remove)
_grant_all = one_by_one(_grant)
_withdraw_all = one_by_one(_withdraw)
