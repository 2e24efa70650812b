"""Clients' connections while HTTP is read from them: how long a client may take, and what is no HTTP.

Whoever keeps a request from becoming whole, or does not take its answer, is cut off; that costs
nobody else anything. Connections that became WebSockets have left this protocol, and those whose
requests wait are elsewhere meanwhile.
"""

from __future__ import annotations

import asyncio
import weakref
from typing import Any, NoReturn, cast

from aiohttp import StreamReader, hdrs, web
from aiohttp.http import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler, _ErrInfo
from multidict import CIMultiDict, CIMultiDictProxy
from uuid_utils import uuid4
from yarl import URL

from handlers import refusals
from handlers.later import EventSource, LateResponse
from server.heartbeats import Deadlines
from server.parked import Parked

# From the connection's beginning, or a later request's first byte, until its headers are complete.
HEAD_SECONDS = 10.0
IDLE_SECONDS = 75.0
# How long an answer may wait in full buffers for its client to read.
ANSWER_SECONDS = 60.0
# How long the rest of a body that nobody wanted is read, so that the client sees its answer.
LINGER_SECONDS = 5.0


class Connections:
    """Makes the protocol of each new connection, and keeps the deadlines of all, and those that wait."""

    def __init__(self, server: web.Server) -> None:
        self._server = server
        self.parked: set[Parked] = set()
        # Weak: most connections are gone, or WebSockets, long before their deadlines.
        self.heads: Deadlines[tuple[weakref.ref[Connection], int]] = Deadlines(HEAD_SECONDS, _expect_head)
        self.answers: Deadlines[tuple[Connection, int]] = Deadlines(ANSWER_SECONDS, _expect_answer)

    def __call__(self) -> Connection:
        """Return the protocol of a new connection; called by the loop."""
        return Connection(self._server, self)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._server.connections) + len(self.parked)

    def finish(self) -> None:
        """Let the requests that have begun be the last, and close connections without one."""
        self._server.pre_shutdown()
        for parked in self.parked:
            parked.is_last = True

    def take_back(self, parked: Parked, response: web.Response | None) -> None:
        """Send a client that has waited the response, if there is one, and read its next request."""
        if response is None and parked.is_last:
            parked.transport.close()
        elif not parked.transport.is_closing():
            self().go_on(parked, response)

    async def stop(self) -> None:
        """Forget the deadlines, and cut off whoever still waits."""
        self.heads.stop()
        self.answers.stop()
        begun = [task for parked in self.parked if (task := parked.cut_off())]
        await asyncio.gather(*begun, return_exceptions=True)


class Connection(RequestHandler):
    """aiohttp's protocol, with deadlines, and with refusals in the form of every other."""

    __slots__ = ("__weakref__", "_awaited", "_connections", "pauses")

    def __init__(self, server: web.Server, connections: Connections) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
            max_headers=refusals.MAX_HEADERS,
            # Bodies are unpacked where they are read, once it is known who sent them.
            auto_decompress=False,
            access_log=None,  # type: ignore[arg-type]
        )
        self._connections = connections
        self._awaited = 0  # the number of the request whose headers are awaited
        self.pauses = 0

    @property
    def heads(self) -> int:
        """How many requests' headers have been read."""
        return self._request_count

    @property
    def is_writing_late(self) -> bool:
        """Tell whether an answer waits for its client to read."""
        return self._paused

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the first request's deadline; called by the loop."""
        super().connection_made(transport)
        self._connections.heads.add((weakref.ref(self), 0))

    def data_received(self, data: bytes) -> None:
        """Begin a later request's deadline with its first byte; called by the loop."""
        if self._close and self._current_request is not None and self.transport is not None:
            self._finish_reading(data)
            return
        before = self._request_count
        super().data_received(data)
        if self._request_count != before:
            if self._current_request is not None and not self._current_request.content.is_eof():
                self._fail_body(self._current_request.content)
        elif data and self._waiter is not None and self._awaited != before:
            self._awaited = before
            self._connections.heads.add((weakref.ref(self), before))

    def close(self) -> None:
        """Let the request that has begun be the last; without one, close at once."""
        is_idle = self._waiter is not None and not self._waiter.done()
        super().close()
        # aiohttp would only stop to wait for a request, and keep the socket.
        if is_idle:
            self.force_close()

    def _finish_reading(self, data: bytes) -> None:
        """Take what belongs to the last request before the process stops; aiohttp would drop it."""
        stopping = (self._close, self._force_close)
        self._close = self._force_close = False
        super().data_received(data)
        self._close, self._force_close = stopping

    def _fail_body(self, body: StreamReader) -> None:
        """Tell the handler that waits for a body if the rest of it cannot be told from what follows."""
        if self._messages and isinstance(self._messages[-1][0], _ErrInfo):
            body.set_exception(web.RequestPayloadError())
            body.feed_eof()

    def pause_writing(self) -> None:
        """Begin the deadline of an answer that does not leave; called by the loop."""
        super().pause_writing()
        self.pauses += 1
        self._connections.answers.add((self, self.pauses))

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what never became a request, or failed outside of every handler, and close."""
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the answer has been sent")
        return refusals.of_unread(request, exc)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> Any:
        """Send an answer, in the form of every other if it is a refusal of aiohttp's own."""
        if isinstance(resp, LateResponse):
            await self._park(request, resp)
        if isinstance(resp, web.HTTPException) and resp.status >= web.HTTPBadRequest.status_code:
            resp = refusals.of_status(request, uuid4().hex, resp)
        self._mark(resp)
        finished = await super().finish_response(request, resp, start_time)
        if isinstance(resp, web.Response):
            resp.body = None  # aiohttp would keep it until the connection's next request
        return finished

    def _mark(self, response: web.StreamResponse) -> None:
        if self._close:
            response.force_close()
        # aiohttp would tell its version, and Python's.
        response.headers[hdrs.SERVER] = "Parley"

    async def _park(self, request: web.BaseRequest, response: LateResponse) -> NoReturn:
        """Let go of the client until there is an answer, or until all of it has been said."""
        if has_begun := isinstance(response, EventSource):
            self._mark(response)
            await response.prepare(request)
            await response.write(response.opening)
        # What came behind the request, and was parsed as well, is lost: the client has to send it again.
        is_last = self._close or bool(self._messages) or not request.content.is_eof()
        if self.transport is not None:
            early, transport = leave(self)
            parked = Parked(self._connections, transport, request.version, early, is_last=is_last)
            parked.is_chunked = hdrs.TRANSFER_ENCODING in response.headers
            if not request.keep_alive or (has_begun and not parked.is_chunked):
                parked.is_last = True
            if self.is_writing_late:
                parked.pause_writing()
            parked.begin(response.rest, None if has_begun else response.headers)
        # What aiohttp would still do for this request, it must not: the socket is not its own any more.
        raise asyncio.CancelledError

    def go_on(self, parked: Parked, response: web.Response | None) -> None:
        """Take the socket of a client that has waited, and its answer as if it had just been asked for."""
        self._request_count = 1
        if response is not None:
            self._messages.append((_repeated(parked), EMPTY_PAYLOAD))
            self._answer_next(response)
        parked.transport.set_protocol(self)
        super().connection_made(parked.transport)
        if parked.early:
            self.data_received(parked.early)
            parked.transport.resume_reading()

    def _answer_next(self, response: web.Response) -> None:
        handler = self._request_handler

        async def answer(_request: web.BaseRequest) -> web.StreamResponse:
            self._request_handler = handler
            return response

        self._request_handler = answer


def leave(connection: RequestHandler) -> tuple[bytes, asyncio.Transport]:
    """Take the socket from aiohttp, and return it behind what was read from it and is still unread."""
    transport = cast(asyncio.Transport, connection.transport)
    early, connection._message_tail = connection._message_tail, b""
    connection.transport = None
    connection.connection_lost(None)
    return early, transport


def _repeated(parked: Parked) -> RawRequestMessage:
    """Return what aiohttp needs of a request to answer it."""
    headers = CIMultiDictProxy(CIMultiDict[str]())
    return RawRequestMessage(
        hdrs.METH_GET, "/", parked.version, headers, (), parked.is_last, None, False, False, URL("/")
    )


def _expect_head(awaited: tuple[weakref.ref[Connection], int]) -> None:
    reference, heads = awaited
    connection = reference()
    if connection is not None and connection.heads == heads:
        connection.force_close()


def _expect_answer(awaited: tuple[Connection, int]) -> None:
    connection, pauses = awaited
    transport = connection.transport
    if transport is not None and connection.is_writing_late and connection.pauses == pauses:
        transport.abort()
