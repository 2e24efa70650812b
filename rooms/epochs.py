"""Epochs: a log that may have lost its end begins a new one, so that no position in the old one holds.

Whoever comes back with a cursor of another epoch is told to begin anew, instead of being given other
events under numbers that it has seen already.
"""

from __future__ import annotations

import logging
import secrets

from sqlalchemy import Connection

from rooms import store
from rooms.context import Context
from rooms.cursors import Cursor
from rooms.transaction import Transaction, one_by_one

_log = logging.getLogger("parley.epochs")


async def begin_epoch(ctx: Context, server_id: str, claimed: Cursor) -> None:
    """Begin a new epoch of the server's log if the cursor, which this deployment signed, lies beyond its end.

    Nothing happens if the log has a newer epoch already, or has reached the cursor meanwhile.
    """
    epoch = await ctx.journal.append_one(_begin_all, claimed, server_id)
    if epoch is not None:
        ctx.tail.renew(server_id, epoch)
        _log.error(
            "the log of server %s has lost its end: somebody has seen event %d of it; it has a new epoch, "
            "and clients that come back begin anew",
            server_id,
            claimed.seq,
        )


def _begin(transaction: Transaction, claimed: Cursor) -> int | None:
    """Return the new epoch, or None if there is no reason for one."""
    if transaction.next_seq(claimed.server_id) > claimed.seq:
        return None
    server = store.servers.find(transaction.connection, [claimed.server_id])[claimed.server_id]
    if server.epoch != claimed.epoch:
        return None
    epoch = _other_than(server.epoch)
    transaction.begin_epoch(server.id, epoch)
    return epoch


_begin_all = one_by_one(_begin)


def renew_all(connection: Connection) -> int:
    """Begin a new epoch of every log, after a restore; return how many there are."""
    servers = store.servers.list_all(connection)
    store.servers.lock(connection, sorted(server.id for server in servers))
    for server in servers:
        store.servers.set_epoch(connection, server.id, _other_than(server.epoch))
    return len(servers)


def _other_than(epoch: int) -> int:
    new = secrets.randbits(32)
    return new if new != epoch else _other_than(epoch)
