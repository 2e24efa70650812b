"""Sends a connection what it missed, page by page, and lets it go live where the pages end.

The last look at how far this node has delivered, and going live, happen in one step of the loop: no
event can fall between them, and none has to be kept aside meanwhile.
"""

from __future__ import annotations

import asyncio
import logging

import orjson

from rooms import replay
from rooms.context import Context
from rooms.errors import Unavailable
from rooms.replay import Placed
from rooms.rows import Entry
from server import dialects
from server.fanout import Fanout
from server.frames import Outgoing
from server.socket_connection import SocketConnection

_log = logging.getLogger("parley.sockets")


class CatchingUp:
    """Brings the connections of one node from where they are to the present."""

    def __init__(self, ctx: Context, fanout: Fanout) -> None:
        self._ctx = ctx
        self._fanout = fanout

    def start(self, connection: SocketConnection) -> None:
        """Send what the connection misses and let it go live, behind what is being done for it now."""
        connection.catching_up = asyncio.get_running_loop().create_task(self._run(connection))

    async def _run(self, connection: SocketConnection) -> None:
        try:
            await self._bring_up(connection)
        except Exception as error:  # noqa: BLE001 - the client comes back, and goes on where it was
            if not isinstance(error, Unavailable):
                _log.exception("connection %s could not catch up", connection.id)
            connection.drop()
        finally:
            connection.catching_up = None

    async def _bring_up(self, connection: SocketConnection) -> None:
        while not connection.is_over:
            missed = await replay.next_page(self._ctx, connection)
            if missed is None:
                self._fanout.go_live(connection)
                return
            outgoing = self._encode(connection, missed)
            # Perhaps none of it is shown to this client; and a poll must not be answered with nothing.
            if outgoing.packets and not connection.is_over:
                connection.send(outgoing)
                await connection.drain()

    def _encode(self, connection: SocketConnection, missed: list[Placed]) -> Outgoing:
        write = _in_elizas_words if connection.speaks_eliza else _native
        packets = (
            write(connection, entry, self._ctx.cursors.write(cursor).encode()) for entry, cursor in missed
        )
        return Outgoing(*(packet for packet in packets if packet is not None))


def _native(connection: SocketConnection, entry: Entry, cursor: bytes) -> bytes:
    return dialects.native(connection.namespace, entry.kind, entry.payload, cursor)


def _in_elizas_words(connection: SocketConnection, entry: Entry, cursor: bytes) -> bytes | None:
    payload = orjson.loads(entry.payload)
    # Its sender knows a message by the id that its client gave it.
    is_own = payload.get("author_id") == connection.principal.id
    client_id = payload.get("messageId") if is_own else None
    return dialects.in_elizas_words(entry.kind, payload, cursor, client_id)
