"""Webhooks: where agents want their runs sent, and how what is sent is signed.

The form is that of Standard Webhooks (standardwebhooks.com): three headers, and a signature over id,
time and body with a secret that only the server and the agent know.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection

from rooms import access, agents, store, uses, vault
from rooms.context import Context
from rooms.errors import NotFound, ValidationFailed, agent_not_found
from rooms.principals import Principal
from rooms.run_tables import Webhook
from rooms.transaction import Transaction, one_by_one

SECRET_PREFIX = "whsec_"  # noqa: S105 - what secrets begin with
SECRET_BYTES = 32
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"


class NewWebhook(NamedTuple):
    """A webhook with its secret, which nobody can read again."""

    webhook: Webhook
    secret: str


@dataclass(frozen=True, slots=True)
class _Wish:
    """A principal's wish for an agent's webhook: where it should lead, and under which secret."""

    principal: Principal
    agent_id: str
    url: str = ""
    sealed: bytes = field(default=b"", repr=False)


async def put(ctx: Context, principal: Principal, agent_id: str, url: str) -> NewWebhook:
    """Send the agent's runs to the URL from now on, under a new secret.

    Raises ValidationFailed for a URL that requests may not be made to, and where there is nothing to
    encrypt the secret under; NotFound as :func:`require_right` does.
    """
    try:
        ctx.policy.reach.require_url(url)
    except ValueError as error:
        raise ValidationFailed(f"Field 'url' {error}") from None
    key = secrets.token_bytes(SECRET_BYTES)
    sealed = vault.require_sealer(ctx).seal(key, uses.owner(secret_name(agent_id)))
    wish = _Wish(principal, agent_id, url, sealed)
    stored = await ctx.journal.append_one(_put_all, wish)
    return NewWebhook(stored, SECRET_PREFIX + base64.b64encode(key).decode())


async def require(ctx: Context, principal: Principal, agent_id: str) -> Webhook:
    """Return the agent's webhook, which it may see and change itself, and services with ``agents:write``.

    Raises NotFound without one, and for everybody else.
    """
    wish = _Wish(principal, agent_id)
    return await ctx.database.read(lambda connection: _require(connection, wish))


async def remove(ctx: Context, principal: Principal, agent_id: str) -> Webhook:
    """Send the agent's runs nowhere any more; return what its webhook was. Errors as of :func:`require`."""
    return await ctx.journal.append_one(_remove_all, _Wish(principal, agent_id))


def require_right(connection: Connection, principal: Principal, agent_id: str) -> None:
    """Raise NotFound unless there is such an agent, and the principal may act for it."""
    if not agents.is_known(connection, agent_id):
        raise agent_not_found(agent_id)
    access.require_agent(principal, agent_id)


def secret_name(agent_id: str) -> str:
    """Return what the secret of an agent's webhook is called in the vault."""
    return uses.OF_WEBHOOKS + agent_id


def forget(transaction: Transaction, agent_id: str) -> None:
    """Forget the agent's webhook, and its secret."""
    store.webhooks.remove(transaction.connection, agent_id)
    store.vault.remove(transaction.connection, secret_name(agent_id))


def signed(key: bytes, message_id: str, now: int, body: bytes) -> dict[str, str]:
    """Return the headers that prove where the body comes from; ``now`` is in epoch seconds."""
    signature = signature_of(key, message_id.encode(), str(now).encode(), body)
    return {ID: message_id, TIMESTAMP: str(now), SIGNATURE: signature.decode()}


def signature_of(key: bytes, message_id: bytes, time: bytes, body: bytes) -> bytes:
    """Return the signature as it is sent; ``time`` is in epoch seconds, as it is sent, too."""
    signed_by_key = hmac.digest(key, b"%b.%b.%b" % (message_id, time, body), hashlib.sha256)
    return b"v1," + base64.b64encode(signed_by_key)


def _require(connection: Connection, wish: _Wish) -> Webhook:
    require_right(connection, wish.principal, wish.agent_id)
    found = store.webhooks.find(connection, wish.agent_id)
    if found is None:
        raise NotFound(f"Agent '{wish.agent_id}' has no webhook", message="Webhook not found")
    return found


def _put(transaction: Transaction, wish: _Wish) -> Webhook:
    require_right(transaction.connection, wish.principal, wish.agent_id)
    row = Webhook(agent_id=wish.agent_id, url=wish.url, created_at=transaction.now)
    store.webhooks.put(transaction.connection, row.model_dump())
    vault.keep(transaction, secret_name(wish.agent_id), wish.sealed)
    vault.allow(transaction, wish.principal, secret_name(wish.agent_id), wish.agent_id)
    return row


def _remove(transaction: Transaction, wish: _Wish) -> Webhook:
    found = _require(transaction.connection, wish)
    forget(transaction, wish.agent_id)
    return found


_put_all = one_by_one(_put)
_remove_all = one_by_one(_remove)
