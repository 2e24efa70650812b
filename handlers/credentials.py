"""From a request's or a handshake's credential to the principal behind it."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from handlers.tokens import TokenRules
from rooms import keys
from rooms.context import Context
from rooms.errors import AuthenticationFailed, PermissionDenied, ValidationFailed
from rooms.ids import new_id
from rooms.keys import KEY_PREFIX
from rooms.principals import ALL_SCOPES, Kind, Principal, Scope
from rooms.rules import principal_id

SHARED_SERVICE = "service"
ANYBODY = Principal("anybody", Kind.SERVICE, ALL_SCOPES)


@dataclass(frozen=True)
class Trust:
    """What the operator trusts.

    ``is_open`` believes the entity that a client states, as elizaOS does; who proves nothing is
    ``anybody`` then. ``service_token`` is one shared secret with a service's rights.
    """

    is_open: bool = False
    anybody: Principal = ANYBODY
    tokens: TokenRules | None = None
    service_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Credentials:
    """Tells who sent something."""

    ctx: Context
    trust: Trust

    async def of_request(self, headers: Mapping[str, str]) -> Principal:
        """Return who sent a REST request; raise AuthenticationFailed."""
        return await self._identify(_header_secret(headers), headers.get("X-Entity-Id"))

    async def of_handshake(self, auth: object, headers: Mapping[str, str]) -> Principal:
        """Return who opens a connection; ``auth`` is what the client put into the handshake."""
        stated = auth if isinstance(auth, dict) else {}
        secret = _text(stated, "token") or _text(stated, "apiKey") or _header_secret(headers)
        principal = await self._identify(secret, _text(stated, "entityId"))
        return _guest(principal) if principal == self.trust.anybody else principal

    async def _identify(self, secret: str | None, entity_id: str | None) -> Principal:
        principal = await self._prove(secret)
        if entity_id is None:
            return principal
        if principal.may(Scope.MESSAGES_WRITE):
            return await self._act_as(principal, entity_id)
        await self._require_own(principal, entity_id)
        return principal

    async def _prove(self, secret: str | None) -> Principal:
        try:
            return await self.verify(secret)
        except AuthenticationFailed:
            if self.trust.is_open:
                return self.trust.anybody
            raise

    async def verify(self, secret: str | None) -> Principal:
        """Return whose secret it is: an API key, the shared service token, or a JWT."""
        if not secret or not secret.isascii():
            raise AuthenticationFailed
        if secret.startswith(KEY_PREFIX):
            return await keys.authenticate(self.ctx, secret)
        if self.trust.service_token and hmac.compare_digest(
            secret.encode(), self.trust.service_token.encode()
        ):
            return Principal(SHARED_SERVICE, Kind.SERVICE, ALL_SCOPES)
        if self.trust.tokens is None:
            raise AuthenticationFailed
        return await self.trust.tokens.verify(secret)

    async def _act_as(self, service: Principal, entity_id: str) -> Principal:
        """Return the entity with the rights of the service that speaks for it."""
        try:
            entity_id = principal_id(entity_id)
        except ValueError as error:
            raise ValidationFailed(f"The entity id {error}") from error
        registered = await self.ctx.entities.find(entity_id)
        kind = Kind(registered.kind) if registered else Kind.USER
        return replace(service, id=entity_id, kind=kind)

    async def _require_own(self, principal: Principal, entity_id: str) -> None:
        """Raise PermissionDenied if a client states somebody else; an id that nobody has is its own.

        elizaOS's clients make one up before they know who they are.
        """
        try:
            entity_id = principal_id(entity_id)
        except ValueError:
            return  # nobody can have it
        if entity_id != principal.id and await self.ctx.entities.find(entity_id):
            raise PermissionDenied(
                f"The key is {principal.id}'s, and the entity id that came with it is somebody else's: "
                "leave it out, or use that one's key"
            )


def _guest(anybody: Principal) -> Principal:
    """Return somebody who is believed, and has said nothing of who it is."""
    return replace(anybody, id=new_id(), kind=Kind.USER, is_guest=True)


def _header_secret(headers: Mapping[str, str]) -> str | None:
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    return headers.get("X-API-KEY")


def _text(stated: dict[str, Any], name: str) -> str | None:
    value = stated.get(name)
    return value if isinstance(value, str) and value else None
