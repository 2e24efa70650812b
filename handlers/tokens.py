"""JWTs: a signature and an expiry are required; algorithms are pinned by configuration."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jwt
from cachetools import LRUCache
from cryptography.exceptions import UnsupportedAlgorithm

from rooms.errors import AuthenticationFailed, Unavailable
from rooms.principals import Kind, Principal
from rooms.rules import principal_id

MAX_VERIFIED = 10_000  # tokens that need not be verified again


def can_verify(pem: str, algorithms: Sequence[str]) -> bool:
    """Tell whether this is a public key that goes with some of the algorithms."""
    for algorithm in algorithms:
        try:
            key = jwt.get_algorithm_by_name(algorithm).prepare_key(pem)
        except (jwt.PyJWTError, ValueError, TypeError, UnsupportedAlgorithm):
            continue
        # What can sign is a private key, which has no business here.
        return not hasattr(key, "sign")
    return False


@dataclass(frozen=True)
class TokenRules:
    """How tokens are verified: with a secret, a public key (PEM), or the keys behind a JWKS URL.

    ``issuer`` and ``audience`` are checked where they are given; ``leeway`` is in seconds.
    """

    algorithms: Sequence[str]
    secret: str | None = field(default=None, repr=False)
    public_key: str | None = None
    jwks_url: str | None = None
    issuer: str | None = None
    audience: str | None = None
    leeway: float = 0.0

    async def verify(self, token: str) -> Principal:
        """Return the user that the token names in ``sub``; raise AuthenticationFailed for any fault."""
        if self.jwks_url is not None:
            return await self._read(token)  # a key that is published no more must not be believed
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is None or known.is_expired(time.time()):
            known = self._verified[digest] = await self._read(token)
        return known

    @cached_property
    def _verified(self) -> LRUCache[bytes, Principal]:
        """Whose the tokens are that were found good: nothing but their expiry can change that."""
        return LRUCache(MAX_VERIFIED)

    async def _read(self, token: str) -> Principal:
        key = await self._key(token)
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=list(self.algorithms),
                audience=self.audience,
                issuer=self.issuer,
                leeway=self.leeway,
                options={"require": ["exp", "sub"], "verify_aud": self.audience is not None},
            )
        except (jwt.PyJWTError, TypeError) as error:  # a key of another kind than the token says
            raise AuthenticationFailed from error
        try:
            subject = principal_id(claims["sub"])
        except ValueError as error:
            raise AuthenticationFailed(f"The token's subject {error}") from error
        return Principal(subject, Kind.USER, expires_at=int(claims["exp"]) + self.leeway)

    @cached_property
    def _published(self) -> jwt.PyJWKClient:
        return jwt.PyJWKClient(self.jwks_url or "", timeout=5)

    async def _key(self, token: str) -> Any:
        if self.jwks_url is None:
            return self.public_key or self.secret
        try:
            return (await asyncio.to_thread(self._published.get_signing_key_from_jwt, token)).key
        except (jwt.PyJWKClientConnectionError, ValueError) as error:  # unreachable, or no JSON
            raise Unavailable("The keys that sign tokens cannot be fetched at the moment") from error
        except jwt.PyJWTError as error:
            raise AuthenticationFailed from error
