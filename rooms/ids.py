"""Ids that Parley makes: UUIDs of version 7, which sort by the time at which they were made."""

from __future__ import annotations

from uuid_utils import uuid7


def new_id() -> str:
    """Return an id that nothing has yet."""
    return str(uuid7())
