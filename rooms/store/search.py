"""What was said in a channel, as it is looked through: back from a moment.

Conditions that no index knows are left to whoever looks, so that what a page costs does not depend on them.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, bindparam, or_, select

from rooms.rows import Said
from rooms.store.statements import tables

_messages = tables["messages"]

_created, _seq = _messages.c.created_at, _messages.c.seq
_BACK = (
    select(*(_messages.c[name] for name in Said._fields))
    .where(
        _messages.c.channel_id == bindparam("channel_id"),
        _created >= bindparam("since"),
        # This one alone can use the index.
        _created <= bindparam("before"),
        or_(
            _created < bindparam("before"),
            and_(_created == bindparam("before"), _seq < bindparam("before_seq")),
        ),
    )
    .order_by(_created.desc(), _seq.desc())
    .limit(bindparam("limit"))
)


def list_back(
    connection: Connection, channel_id: str, since: int, before: tuple[int, int], limit: int
) -> list[Said]:
    """Return what was said in the channel since a time, and before a time and seq, the newest first."""
    values = {"channel_id": channel_id, "since": since, "before": before[0], "before_seq": before[1]}
    return [Said._make(row) for row in connection.execute(_BACK, {**values, "limit": limit})]
