"""What a new connection needs to know, looked up once for all that arrive at the same time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from rooms import store
from rooms.errors import server_not_found
from rooms.principals import Principal
from rooms.rules import MAX_LISTED, is_uuid
from rooms.tables import Channel, Server

if TYPE_CHECKING:
    from rooms.context import Context

Visitor = tuple[str, str]  # the ids of a server and of a principal


@dataclass(frozen=True, slots=True)
class Arrival:
    """A server as one principal finds it: the newest channels that are its own, and that it may join.

    ``joined`` tells since which seq it has been in each of its own.
    """

    server: Server
    own: list[Channel]
    joinable: list[Channel]
    joined: dict[str, int]


async def find(ctx: Context, principal: Principal, server_id: str) -> Arrival:
    """Return how the principal finds the server; raise NotFound without that server."""
    if not is_uuid(server_id):
        raise server_not_found(server_id)
    arrival = await ctx.arrivals.find((server_id, principal.id))
    if arrival is None:
        raise server_not_found(server_id)
    return arrival


def look_up(connection: Connection, visitors: Collection[Visitor]) -> dict[Visitor, Arrival]:
    """Return the arrivals at servers that exist."""
    servers = store.servers.find(connection, {server_id for server_id, _ in visitors})
    joinable = {
        server_id: store.channels.list_joinable(connection, server_id, MAX_LISTED) for server_id in servers
    }
    return {
        (server_id, principal_id): _arrival(
            servers[server_id],
            store.channels.list_of(connection, server_id, principal_id, MAX_LISTED),
            joinable[server_id],
        )
        for server_id, principal_id in visitors
        if server_id in servers
    }


def _arrival(server: Server, own: list[tuple[Channel, int]], joinable: list[Channel]) -> Arrival:
    joined = {channel.id: seq for channel, seq in own}
    others = [channel for channel in joinable if channel.id not in joined]
    return Arrival(server, [channel for channel, _ in own], others, joined)
