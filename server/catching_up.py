"""Sends a connection what it missed, page by page, and lets it go live where the pages end.

The last look at how far this node has delivered, and going live, happen in one step of the loop: no
event can fall between them, and none has to be kept aside meanwhile.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from dataclasses import replace

import orjson

from rooms import replay
from rooms.context import Context
from rooms.cursors import Cursor, Lag
from rooms.errors import Unavailable
from rooms.replay import Overtaken
from rooms.rows import Entry, Interval
from rooms.views import View
from server import dialects, eager
from server.fanout import Fanout
from server.frames import Outgoing
from server.socket_connection import SocketConnection

# Where a client stands once it has got the event of a seq: a position, and what it lags behind there.
Place = Callable[[int], tuple[int, Lag | None]]

_log = logging.getLogger("parley.sockets")


class CatchingUp:
    """Brings the connections of one node from where they are to the present."""

    def __init__(self, ctx: Context, fanout: Fanout, at_once: int) -> None:
        self._ctx = ctx
        self._fanout = fanout
        # Each holds one page; a client that is slow to take it holds nobody up.
        self._reading = asyncio.Semaphore(at_once)

    def start(self, connection: SocketConnection) -> None:
        """Send everything after the connection's cursor that its view shows, and let it go live."""
        connection.catching_up = eager.start(self._run(connection))

    def start_behind(self, connection: SocketConnection) -> None:
        """Begin when what is being done now is over."""
        connection.catching_up = asyncio.get_running_loop().create_task(self._run(connection))

    async def _run(self, connection: SocketConnection) -> None:
        try:
            await self._bring_up(connection)
        except Exception as error:  # noqa: BLE001 - the client comes back, and goes on where it was
            if not isinstance(error, Unavailable | Overtaken):
                _log.exception("connection %s could not catch up", connection.id)
            connection.drop()

    async def _bring_up(self, connection: SocketConnection) -> None:
        if connection.cursor.lag is not None:
            await self._make_up(connection, connection.cursor.lag)
        while not connection.is_over:
            seq, until = connection.cursor.seq, self._ctx.tail.position(connection.server_id).seq
            if seq >= until:
                self._fanout.go_live(connection)
                return
            await self._send_page(connection, connection.view, seq, until, _whole)

    async def _make_up(self, connection: SocketConnection, lag: Lag) -> None:
        """Send what is missing of one channel; the position stays where it is."""
        channel_id, after, until = lag
        position = connection.cursor.seq
        whole = await replay.find_view(self._ctx, connection.principal, connection.server_id, after)
        view = whole.within(channel_id, Interval(after + 1, until + 1))
        while after < until and not connection.is_over:
            after = await self._send_page(
                connection, view, after, until, lambda seq: (position, Lag(channel_id, seq, until))
            )
        connection.cursor = replace(connection.cursor, lag=None)
        connection.view.open_earlier(channel_id, lag.after + 1)

    async def _send_page(
        self, connection: SocketConnection, view: View, after: int, until: int, place: Place
    ) -> int:
        """Send the next page and return where it ends."""
        async with self._reading:
            entries, end = await replay.read(self._ctx, connection.server_id, view, after, until)
        if not connection.is_over:
            connection.send(self._encode(connection, entries, place))
            connection.cursor = Cursor(connection.server_id, connection.cursor.epoch, *place(end))
            await connection.drain()
        return end

    def _encode(self, connection: SocketConnection, entries: list[Entry], place: Place) -> Outgoing:
        write = _in_elizas_words if connection.speaks_eliza else _native
        sign = functools.partial(
            self._ctx.cursors.write_position, connection.server_id, connection.cursor.epoch
        )
        packets = (write(connection, entry, sign(*place(entry.seq)).encode()) for entry in entries)
        return Outgoing(*(packet for packet in packets if packet is not None))


def _whole(seq: int) -> tuple[int, None]:
    return seq, None


def _native(connection: SocketConnection, entry: Entry, cursor: bytes) -> bytes:
    return dialects.native(connection.namespace, entry.kind, entry.payload, cursor)


def _in_elizas_words(_connection: SocketConnection, entry: Entry, cursor: bytes) -> bytes | None:
    return dialects.in_elizas_words(entry.kind, orjson.loads(entry.payload), cursor)
