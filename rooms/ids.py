"""Ids that Parley makes: UUIDs of version 7, which sort by the time at which they were made."""

from __future__ import annotations

from uuid_utils import uuid7


def new_id() -> str:
    """Return an id that nothing has yet."""
    return str(uuid7())


def first_id_at(ms: int) -> str:
    """Return what sorts before every id of this time, in epoch milliseconds, and of later ones (RFC 9562)."""
    digits = f"{ms:012x}"
    return f"{digits[:8]}-{digits[8:]}"
