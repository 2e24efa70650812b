"""Deleting a message server, with every channel of it."""

from __future__ import annotations

from rooms import access, clearing, servers, store
from rooms.context import Context
from rooms.errors import ValidationFailed
from rooms.principals import Principal, Scope
from rooms.rules import DEFAULT_SERVER_ID
from rooms.transaction import Transaction, one_by_one

PAGE = 100  # channels
STEP = 1_000  # events that are forgotten in one commit


async def delete(ctx: Context, principal: Principal, server_id: str) -> None:
    """Delete each channel of the server, forget its log, and then the server; its id stays taken.

    Raises PermissionDenied unless the principal may change servers and channels, NotFound without the server,
    ValidationFailed for the default one.
    """
    for scope in (Scope.SERVERS_WRITE, Scope.CHANNELS_WRITE, Scope.MESSAGES_READ):
        access.require_scope(principal, scope)
    if server_id == DEFAULT_SERVER_ID:
        raise ValidationFailed("The default message server cannot be deleted; delete its channels instead")
    await ctx.database.read(lambda connection: servers.require(connection, server_id))
    while not await ctx.journal.append_one(_delete_all, server_id, server_id):
        found = await ctx.database.read(
            lambda connection: store.channels.list_all(connection, server_id, PAGE)
        )
        for channel in found:
            await clearing.delete(ctx, principal, channel.id)


def _delete(transaction: Transaction, server_id: str) -> bool:
    """Delete a server without channels, or a part of its log; tell whether the server is gone."""
    connection = transaction.connection
    server = servers.require(connection, server_id)
    if store.channels.list_all(connection, server_id, 1):
        return False
    if server.floor_seq < server.seq:
        store.log.raise_floor(connection, server_id, min(server.floor_seq + STEP, server.seq))
        return False
    # What this very commit records would outlast its server.
    if transaction.next_seq(server_id) - 1 > server.seq:
        return False
    store.servers.erase(connection, server_id, transaction.now)
    transaction.close_log(server_id)
    return True


_delete_all = one_by_one(_delete)
