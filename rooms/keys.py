"""API keys and sign-in codes: made here, shown once, kept as digests.

A key is 256 random bits, so a plain SHA-256 of it cannot be guessed back; and because digests are
looked up, not compared one by one, the time of an answer tells nothing about a key.
"""

from __future__ import annotations

import functools
import hashlib
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from rooms import rules, store
from rooms.context import Context
from rooms.errors import AuthenticationFailed, NotFound, ValidationFailed
from rooms.ids import new_id
from rooms.principals import Kind, Principal, Scope
from rooms.tables import ApiKey
from rooms.transaction import Transaction, one_by_one

KEY_PREFIX = "parley_"
SHOWN = len(KEY_PREFIX) + 6
SIGN_IN_MS = 24 * 60 * 60 * 1000
MAX_KEYS = 1_000  # of one look-up, so that it keeps nobody waiting


@dataclass(frozen=True, slots=True)
class KeyDraft:
    """A key that is to be made; the registry knows its holder by this kind and name from then on."""

    kind: Kind
    principal_id: str
    name: str
    scopes: frozenset[Scope] = frozenset()


class NewKey(NamedTuple):
    """A key with its secret, which nobody can read again."""

    key: ApiKey
    secret: str


async def create(ctx: Context, draft: KeyDraft) -> NewKey:
    """Make a key; a user or an agent is registered with it. Raises ValidationFailed for a bad id."""
    if draft.kind is not Kind.SERVICE:
        draft = replace(draft, principal_id=_checked(draft.principal_id))
    secret = KEY_PREFIX + secrets.token_urlsafe(32)
    return NewKey(await ctx.journal.append_one(_create_all, (draft, secret)), secret)


async def revoke(ctx: Context, key_id: str) -> None:
    """Revoke a key; raise NotFound if there is no valid one with the id."""
    await ctx.journal.append_one(_revoke_all, key_id)


async def list_all(ctx: Context) -> Sequence[ApiKey]:
    """Return every key ever made, the oldest first, without secrets."""
    return await ctx.database.read(store.keys.list_all)


async def find_revoked(ctx: Context, key_ids: Collection[str]) -> set[str]:
    """Return which of the keys are revoked by now."""
    rest, revoked = list(key_ids), set[str]()
    while rest:
        some, rest = rest[:MAX_KEYS], rest[MAX_KEYS:]
        valid = await ctx.database.read(functools.partial(store.keys.find_valid, key_ids=some))
        revoked |= set(some).difference(valid)
    return revoked


async def authenticate(ctx: Context, secret: str) -> Principal:
    """Return whose key it is; raise AuthenticationFailed if it is unknown or revoked."""
    digest = _digest(secret)
    found = await ctx.keys.find(digest)
    if found is None or found.revoked_at is not None:
        raise AuthenticationFailed
    return Principal(found.principal_id, Kind(found.kind), _scopes(found.scopes), found.id)


async def require_current(ctx: Context, principal: Principal) -> None:
    """Raise AuthenticationFailed if the principal's key has been revoked, or its token has expired."""
    if principal.is_expired(ctx.clock()):
        raise AuthenticationFailed
    if principal.key_id is not None and not await ctx.valid_keys.find(principal.key_id):
        raise AuthenticationFailed


async def create_sign_in_code(ctx: Context, principal_id: str) -> str:
    """Return a code that signs a browser in as the user, once, within 24 hours."""
    code = secrets.token_urlsafe(24)
    await ctx.journal.append_one(_create_codes, (code, _checked(principal_id)))
    return code


async def exchange_sign_in_code(ctx: Context, code: str) -> NewKey:
    """Take the code and return a new user key; raise AuthenticationFailed if it is spent or too old."""
    secret = KEY_PREFIX + secrets.token_urlsafe(32)
    return NewKey(await ctx.journal.append_one(_exchange_all, (code, secret)), secret)


def _checked(principal_id: str) -> str:
    """Return the id as every door will spell it."""
    try:
        return rules.principal_id(principal_id)
    except ValueError as error:
        raise ValidationFailed(f"The id '{principal_id}' {error}", message="Invalid id") from None


@functools.lru_cache
def _scopes(stored: str) -> frozenset[Scope]:
    return frozenset(Scope(scope) for scope in stored.split())


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _create(transaction: Transaction, wanted: tuple[KeyDraft, str]) -> ApiKey:
    draft, secret = wanted
    if draft.kind is not Kind.SERVICE:
        holder = {
            "id": draft.principal_id,
            "kind": draft.kind,
            "name": draft.name,
            "created_at": transaction.now,
        }
        store.entities.put(transaction.connection, holder)
        store.participants.set_agent(
            transaction.connection, draft.principal_id, is_agent=draft.kind is Kind.AGENT
        )
        store.agents.restore(transaction.connection, draft.principal_id)
    row = ApiKey(
        id=new_id(),
        prefix=secret[:SHOWN],
        digest=_digest(secret),
        kind=draft.kind,
        principal_id=draft.principal_id,
        name=draft.name,
        scopes=" ".join(sorted(draft.scopes)),
        created_at=transaction.now,
    )
    store.keys.add(transaction.connection, row.model_dump())
    return row


def _revoke(transaction: Transaction, key_id: str) -> None:
    if not store.keys.revoke(transaction.connection, key_id, transaction.now):
        raise NotFound(f"There is no valid key with ID '{key_id}'", message="Key not found")


def _create_code(transaction: Transaction, wanted: tuple[str, str]) -> None:
    code, principal_id = wanted
    row = {"digest": _digest(code), "principal_id": principal_id, "expires_at": transaction.now + SIGN_IN_MS}
    store.keys.add_code(transaction.connection, row)


def _exchange(transaction: Transaction, wanted: tuple[str, str]) -> ApiKey:
    code, secret = wanted
    found = store.keys.take_code(transaction.connection, _digest(code))
    if found is None or found.expires_at < transaction.now:
        raise AuthenticationFailed(
            "The code is spent or too old; make another: parley keys create --kind user --id NAME --sign-in",
            message="Invalid sign-in code",
        )
    known = store.entities.find(transaction.connection, [found.principal_id]).get(found.principal_id)
    name = known.name if known else found.principal_id
    return _create(transaction, (KeyDraft(Kind.USER, found.principal_id, name), secret))


_create_all = one_by_one(_create)
_revoke_all = one_by_one(_revoke)
_create_codes = one_by_one(_create_code)
_exchange_all = one_by_one(_exchange)
