"""Tickets: what begins a stream of events where no header can carry a credential.

A ticket is good for that alone, for ten minutes, and for as long as the credential behind it.
"""

from __future__ import annotations

import orjson

from rooms import keys
from rooms.context import Context
from rooms.errors import AuthenticationFailed, ValidationFailed
from rooms.principals import Kind, Principal, Scope

TICKET_SECONDS = 600


def create(ctx: Context, principal: Principal) -> str:
    """Return a ticket of the principal's."""
    until = ctx.now() + TICKET_SECONDS * 1000
    said = (
        until,
        principal.id,
        principal.kind,
        sorted(principal.scopes),
        principal.key_id,
        principal.expires_at,
    )
    return ctx.cursors.write_ticket(orjson.dumps(said))


async def redeem(ctx: Context, ticket: str) -> Principal:
    """Return whose ticket it is; raise AuthenticationFailed if it is not good, or not any more."""
    try:
        said = orjson.loads(ctx.cursors.read_ticket(ticket))
    except ValidationFailed:
        raise _refusal() from None
    until, principal_id, kind, scopes, key_id, expires_at = said
    if until <= ctx.now():
        raise _refusal()
    principal = Principal(principal_id, Kind(kind), frozenset(map(Scope, scopes)), key_id, expires_at)
    await keys.require_current(ctx, principal)
    return principal


def _refusal() -> AuthenticationFailed:
    return AuthenticationFailed(
        "The ticket is none of this server's, or too old; POST /api/messaging/events/ticket for another",
        message="Invalid ticket",
    )
