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

from rooms import access, store
from rooms.context import Context
from rooms.errors import NotFound, ValidationFailed, agent_not_found
from rooms.principals import Kind, Principal
from rooms.run_tables import Webhook
from rooms.sealing import Sealer, Unreadable
from rooms.transaction import Transaction, one_by_one

SECRET_PREFIX = "whsec_"  # noqa: S105 - what secrets begin with
SECRET_BYTES = 32


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
    if ctx.sealer is None:
        raise ValidationFailed(
            "A webhook's secret is encrypted under PARLEY_SECRET, which is not set; "
            "the server's operator sets it, and then this works",
            message="PARLEY_SECRET is not set",
        )
    key = secrets.token_bytes(SECRET_BYTES)
    wish = _Wish(principal, agent_id, url, ctx.sealer.seal(key, agent_id))
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
    agent = store.entities.find(connection, [agent_id]).get(agent_id)
    if agent is None or agent.kind != Kind.AGENT:
        raise agent_not_found(agent_id)
    access.require_agent(principal, agent_id)


def signed(sealer: Sealer | None, webhook: Webhook, message_id: str, now: int, body: bytes) -> dict[str, str]:
    """Return the headers that prove where the body comes from; ``now`` is in epoch seconds.

    Raises Unreadable if the secret was encrypted under another PARLEY_SECRET than today's.
    """
    if sealer is None:
        raise Unreadable
    key = sealer.unseal(webhook.secret, webhook.agent_id)
    signature = hmac.digest(key, b"%b.%d.%b" % (message_id.encode(), now, body), hashlib.sha256)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(now),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


def _require(connection: Connection, wish: _Wish) -> Webhook:
    require_right(connection, wish.principal, wish.agent_id)
    found = store.webhooks.find(connection, wish.agent_id)
    if found is None:
        raise NotFound(f"Agent '{wish.agent_id}' has no webhook", message="Webhook not found")
    return found


def _put(transaction: Transaction, wish: _Wish) -> Webhook:
    require_right(transaction.connection, wish.principal, wish.agent_id)
    row = Webhook(agent_id=wish.agent_id, url=wish.url, secret=wish.sealed, created_at=transaction.now)
    store.webhooks.put(transaction.connection, row.model_dump())
    return row


def _remove(transaction: Transaction, wish: _Wish) -> Webhook:
    found = _require(transaction.connection, wish)
    store.webhooks.remove(transaction.connection, found)
    return found


_put_all = one_by_one(_put)
_remove_all = one_by_one(_remove)
