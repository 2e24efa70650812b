"""Which message each author's idempotency key led to."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select, tuple_

from rooms.store.statements import Pair, Row, any_of, fetch_all, tables
from rooms.tables import IdempotencyRecord

table = tables["idempotency"]

_BY_PAIRS = select(table).where(tuple_(table.c.author_id, table.c.key).in_(any_of("pairs")))
_INSERT = insert(table)
_FORGET = delete(table).where(table.c.created_at < bindparam("before"))


def find(connection: Connection, pairs: Collection[Pair]) -> dict[Pair, IdempotencyRecord]:
    """Return the records of the pairs of author and key that have one."""
    found = fetch_all(connection, _BY_PAIRS, IdempotencyRecord, pairs=list(pairs))
    return {(record.author_id, record.key): record for record in found}


def add(connection: Connection, rows: Sequence[Row]) -> None:
    """Remember which message each pair led to."""
    if rows:
        connection.execute(_INSERT, rows)


def forget(connection: Connection, before: int) -> None:
    """Drop the records that are older than the time given in milliseconds."""
    connection.execute(_FORGET, {"before": before})
