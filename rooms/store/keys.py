"""API keys and sign-in codes, of which only digests are stored."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, and_, bindparam, delete, insert, select, update

from rooms.store.statements import Row, any_of, fetch_all, fetch_first, tables
from rooms.tables import ApiKey, SignInCode

table, codes = tables["keys"], tables["sign_in_codes"]

_BY_DIGESTS = select(table).where(table.c.digest.in_(any_of("digests")))
_VALID = select(table.c.id).where(table.c.id.in_(any_of("ids")), table.c.revoked_at.is_(None))
_ALL = select(table).order_by(table.c.created_at, table.c.id)
_CODE = select(codes).where(codes.c.digest == bindparam("digest"))


def find(connection: Connection, digests: Collection[bytes]) -> dict[bytes, ApiKey]:
    """Return the keys with the digests, revoked or not."""
    return {key.digest: key for key in fetch_all(connection, _BY_DIGESTS, ApiKey, digests=list(digests))}


def find_valid(connection: Connection, key_ids: Collection[str]) -> dict[str, bool]:
    """Tell of those of the keys that have not been revoked that they are valid."""
    return dict.fromkeys(connection.execute(_VALID, {"ids": list(key_ids)}).scalars(), True)


def list_all(connection: Connection) -> list[ApiKey]:
    """Return every key, the oldest first."""
    return fetch_all(connection, _ALL, ApiKey)


def add(connection: Connection, row: Row) -> None:
    """Add an API key."""
    connection.execute(insert(table), row)


def revoke(connection: Connection, key_id: str, now: int) -> bool:
    """Revoke the key and tell whether it was valid until now."""
    valid = and_(table.c.id == key_id, table.c.revoked_at.is_(None))
    return connection.execute(update(table).where(valid).values(revoked_at=now)).rowcount > 0


def revoke_all(connection: Connection, principal_id: str, now: int) -> None:
    """Revoke every key of the principal's."""
    valid = and_(table.c.principal_id == principal_id, table.c.revoked_at.is_(None))
    connection.execute(update(table).where(valid).values(revoked_at=now))


def add_code(connection: Connection, row: Row) -> None:
    """Add a sign-in code."""
    connection.execute(insert(codes), row)


def take_code(connection: Connection, digest: bytes) -> SignInCode | None:
    """Return the code and delete it, so that it works once."""
    found = fetch_first(connection, _CODE, SignInCode, digest=digest)
    connection.execute(delete(codes).where(codes.c.digest == digest))
    return found
