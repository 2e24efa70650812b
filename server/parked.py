"""Clients that wait for their answers, or for the rest of them, outside of aiohttp.

Of what aiohttp has made for a request they keep the socket alone. With the answer, or at its end, it goes
back to a new connection of aiohttp's, which reads the client's next request.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import HttpVersion, web
from multidict import CIMultiDict

from handlers.later import Line
from rooms.errors import Unavailable

# How long a client may take to make room for what it is sent.
WRITE_SECONDS = 30.0

_log = logging.getLogger("parley.http")


class Host(Protocol):
    """Where such clients come from."""

    parked: set[Parked]

    def take_back(self, parked: Parked, response: web.Response | None) -> None:
        """Send the client the response, if there is one, and read its next request."""


class Parked(asyncio.Protocol):
    """One client that waits, and the task that answers it.

    Whoever ``is_last`` sends no other request on this connection.
    """

    __slots__ = ("_host", "_room", "_task", "early", "is_chunked", "is_last", "transport", "version")

    def __init__(
        self, host: Host, transport: asyncio.Transport, version: HttpVersion, early: bytes, *, is_last: bool
    ) -> None:
        self.transport = transport
        self.version = version
        self.early = early  # what has come of the next request
        self.is_last = is_last
        self.is_chunked = False
        self._host = host
        self._room: asyncio.Future[None] | None = None  # while the client takes less than it is sent
        self._task: asyncio.Task[None] | None = None

    def begin(
        self, rest: Callable[[Line], Awaitable[web.Response | None]], headers: CIMultiDict[str] | None
    ) -> None:
        """Take the socket, and do the rest; a response gets these headers besides its own."""
        self._host.parked.add(self)
        self.transport.set_protocol(self)
        self._task = asyncio.get_running_loop().create_task(self._run(rest, headers))

    async def _run(
        self, rest: Callable[[Line], Awaitable[web.Response | None]], headers: CIMultiDict[str] | None
    ) -> None:
        try:
            response = await rest(self)
            if response is None:
                await self.write(b"")
            elif headers is not None:
                response.headers.update(headers)
            self._host.take_back(self, response)
        except (ConnectionError, TimeoutError, Unavailable):
            self.transport.abort()
        except Exception:  # noqa: BLE001 - the client comes back, and goes on where it was
            _log.exception("an answer could not be finished")
            self.transport.abort()
        finally:
            self._host.parked.discard(self)

    async def write(self, text: bytes) -> None:
        """Send a part of the answer, the last one if it is empty."""
        if self.transport.is_closing():
            raise ConnectionResetError
        self.transport.write(b"%x\r\n%b\r\n" % (len(text), text) if self.is_chunked else text)
        if self._room is not None:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._room

    def cut_off(self) -> asyncio.Task[None] | None:
        """Drop the client, and return what was done for it."""
        self.transport.abort()
        if self._task is not None:
            self._task.cancel()
        return self._task

    def data_received(self, data: bytes) -> None:
        """Keep what comes of the next request until it is its turn; called by the loop."""
        if not self.is_last:
            self.early += data
            self.transport.pause_reading()

    def pause_writing(self) -> None:
        """Know that the client takes less than it is sent; called by the loop."""
        self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Know that there is room again; called by the loop."""
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Do nothing more for a client that has left; called by the loop."""
        if self._task is not None:
            self._task.cancel()
