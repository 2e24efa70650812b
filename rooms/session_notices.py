"""What is told of sessions that nobody touches: that they are about to end, and that they have ended.

Each is told once, unless the end moves in between; nothing depends on its being told.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from rooms import store, timeouts
from rooms.context import Context
from rooms.rows import Session
from rooms.transaction import Transaction, one_by_one

ANNOUNCED_AT_ONCE = 500


class Kind(enum.StrEnum):
    """What is told."""

    EXPIRING = "session_expiring"
    EXPIRED = "session_expired"


class Notice(NamedTuple):
    """Something to tell those in the session's channel."""

    kind: Kind
    session: Session


async def take_due(ctx: Context) -> list[Notice]:
    """Return what is to be told now; nobody is given it again."""
    now = ctx.now()
    if not await ctx.database.read(lambda connection: store.sessions.list_due(connection, now, 1)):
        return []
    return await ctx.journal.append_one(_take_all, ANNOUNCED_AT_ONCE)


def _take(transaction: Transaction, limit: int) -> list[Notice]:
    due = store.sessions.claim_due(transaction.connection, transaction.now, limit)
    notices = [_notice(session, transaction.now) for session in due]
    store.sessions.change(transaction.connection, [notice.session for notice in notices])
    return notices


def _notice(session: Session, now: int) -> Notice:
    if timeouts.is_over(session, now):
        return Notice(Kind.EXPIRED, session._replace(due_at=None))
    return Notice(Kind.EXPIRING, session._replace(due_at=session.expires_at))


_take_all = one_by_one(_take)
