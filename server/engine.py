"""The Engine.IO server: opens sessions, and leads HTTP requests to them."""

from __future__ import annotations

import asyncio
import itertools
import logging
from http import HTTPStatus
from typing import Any, Protocol

import engineio
import orjson
from aiohttp import hdrs, web
from cachetools import TTLCache

from handlers.cors import Origins
from handlers.draining import Draining
from rooms.errors import Unavailable
from server import polling, websocket
from server.frames import TEXT, Outgoing, frame
from server.heartbeats import Deadlines
from server.session import Session
from server.websocket import MAX_MESSAGE, NORMAL, WebSocket

# What polling clients that were sent away between two polls are told by the next one, if that comes in time.
FAREWELL_SECONDS, MAX_FAREWELLS = 10.0, 1_000

# The protocol's own error numbers, as clients of the reference implementation know them.
UNKNOWN_TRANSPORT, UNKNOWN_SESSION, BAD_METHOD, BAD_REQUEST, FORBIDDEN, BAD_VERSION = range(6)
_MEANINGS = (
    "Transport unknown", "Session ID unknown", "Bad handshake method", "Bad request", "Forbidden",
    "Unsupported protocol version",
)  # fmt: skip

_CREDENTIALS = ("Authorization", "X-API-KEY")

_log = logging.getLogger("parley.engine")


class Owner(Protocol):
    """Who is told of the engine's sessions and their messages."""

    def session_opened(self, session: Session) -> None:
        """Begin with a new session."""

    async def take_message(self, session: Session, message: str | bytes) -> None:
        """Act on a message; the session's next one waits until this is done."""

    def session_pinged(self, session: Session) -> None:
        """Know that a heartbeat was sent."""

    def session_has_room(self, session: Session) -> None:
        """Send more to a session that wanted to be asked."""

    def session_filled(self, session: Session) -> None:
        """Know that the client takes less than it is sent, or takes it again; see ``Session.is_full``."""

    def session_closed(self, session: Session) -> None:
        """Forget a session; nothing more can be sent to it."""


class Engine(engineio.AsyncServer):  # type: ignore[misc]
    """python-engineio's server with sessions, transports and heartbeats of our own."""

    owner: Owner  # set before the first request

    def __init__(self, *, ping_interval: float, ping_timeout: float, **options: Any) -> None:
        super().__init__(async_mode="aiohttp", monitor_clients=False, **options)
        self.violations = 0
        self.origins = Origins()
        self.draining = Draining()
        self.ping_interval, self._ping_timeout = ping_interval, ping_timeout
        self._pings: Deadlines[Session] = Deadlines(ping_interval, self._ping)
        self._pongs: Deadlines[tuple[Session, int]] = Deadlines(ping_timeout, self._expect_pong)
        self.probing: set[WebSocket] = set()
        self._farewells: TTLCache[str, bytes] = TTLCache(MAX_FAREWELLS, FAREWELL_SECONDS)
        self._numbers = itertools.count(1)
        self._flushing: list[Session] = []
        self._joined: tuple[list[Outgoing], bytes] = ([], b"")

    # For sessions

    def flush_soon(self, session: Session) -> None:
        """Write what the session has queued when this tick of the loop is over."""
        if not self._flushing:
            asyncio.get_running_loop().call_soon(self._flush)
        self._flushing.append(session)

    def _flush(self) -> None:
        flushing, self._flushing = self._flushing, []
        for session in flushing:
            session.flush()
        self._joined = ([], b"")

    def join(self, unsent: list[Outgoing]) -> bytes:
        """Return the frames as one; members of a room have the same ones, joined once."""
        if len(unsent) == 1:
            return unsent[0].frames
        if self._joined[0] != unsent:
            self._joined = (unsent, b"".join([outgoing.frames for outgoing in unsent]))
        return self._joined[1]

    def heard(self, session: Session) -> None:
        """Begin the session's next heartbeat."""
        self._pings.add(session)

    def count_violation(self) -> None:
        """Count a client that did not keep to the protocol."""
        self.violations += 1
        _log.info("a client broke the protocol and was closed")

    def forget(self, session: Session) -> None:
        """Drop a closed session."""
        self.sockets.pop(session.sid, None)
        self.owner.session_closed(session)

    def keep_farewell(self, sid: str, farewell: bytes) -> None:
        """Answer the next poll of a session that is over with this, for a while."""
        self._farewells[sid] = farewell

    def _ping(self, session: Session) -> None:
        if not session.closed:
            session.ping()
            self._pongs.add((session, session.pings))

    def _expect_pong(self, pinged: tuple[Session, int]) -> None:
        session, number = pinged
        if session.closed or session.pongs >= number:
            return
        if session.may_answer_late():
            self._pongs.add(pinged)
        else:
            session.close(NORMAL)

    async def close_all(self, code: int) -> None:
        """Close every session's transport."""
        self._pings.stop()
        self._pongs.stop()
        for session in list(self.sockets.values()):
            session.close(code)
        for probe in self.probing:
            probe.close(code)

    # Requests

    async def handle_request(self, request: web.Request) -> web.StreamResponse:
        """Answer a request to the engine's path."""
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and not self.origins.admit(origin, request):
            _log.info("a page of %s was refused; CORS_ORIGIN names those that may connect", origin[:80])
            return _refuse(FORBIDDEN, 403)
        return await self._lead(request)

    async def _lead(self, request: web.Request) -> web.StreamResponse:
        transport = request.query.get("transport")
        if request.query.get("EIO") != "4":
            return _refuse(BAD_VERSION)
        if transport not in ("polling", websocket.NAME):
            return _refuse(UNKNOWN_TRANSPORT)
        if (transport == websocket.NAME) != _wants_websocket(request):
            return _refuse(BAD_REQUEST)
        sid = request.query.get("sid")
        if sid is None:
            return self._open(request)
        session = self.sockets.get(sid)
        if session is None:
            return self._answer_late(request, sid)
        return await self._continue(request, session)

    def _answer_late(self, request: web.Request, sid: str) -> web.StreamResponse:
        """Answer a client that does not know that its session is over."""
        if sid in self._farewells and request.query["transport"] != websocket.NAME:
            if request.method == hdrs.METH_GET:
                return _text(self._farewells.pop(sid))
            if request.method == hdrs.METH_POST:
                # A refusal would make the client come back, before it has polled.
                return _text(b"ok")
        return _refuse(UNKNOWN_SESSION)

    def _open(self, request: web.Request) -> web.StreamResponse:
        if request.method != hdrs.METH_GET:
            return _refuse(BAD_METHOD)
        if self.draining.closing.is_set():
            raise Unavailable("The server is about to end; connect again")
        session = Session(self, self.generate_id(), next(self._numbers))
        session.headers = {name: request.headers[name] for name in _CREDENTIALS if name in request.headers}
        if _wants_websocket(request):
            websocket.accept(request, lambda opened: self._carry(session, opened))
        self._welcome(session)
        return _text(self._hello(session, [websocket.NAME]))

    def _carry(self, session: Session, opened: WebSocket) -> None:
        opened.write(frame(TEXT, self._hello(session, [])))
        session.use(opened)
        self._welcome(session)

    def _hello(self, session: Session, upgrades: list[str]) -> bytes:
        """Return the OPEN packet (Engine.IO protocol, "Handshake"); times are in milliseconds."""
        return b"0" + orjson.dumps(
            {
                "sid": session.sid,
                "upgrades": upgrades,
                "pingInterval": round(self.ping_interval * 1000),
                "pingTimeout": round(self._ping_timeout * 1000),
                "maxPayload": MAX_MESSAGE,
            }
        )

    def _welcome(self, session: Session) -> None:
        self.sockets[session.sid] = session
        self._pings.add(session)
        self.owner.session_opened(session)

    async def _continue(self, request: web.Request, session: Session) -> web.StreamResponse:
        if _wants_websocket(request):
            websocket.accept(request, session.probe)
        if not session.is_polling:
            return _refuse(BAD_REQUEST)
        if request.method == hdrs.METH_GET:
            body = await polling.poll(request, session)
            return _refuse(BAD_REQUEST) if body is None else _text(body)
        if request.method == hdrs.METH_POST:
            status = await polling.take_post(request, session)
            return _text(b"ok") if status == HTTPStatus.OK else _refuse(BAD_REQUEST, status)
        return _refuse(BAD_REQUEST)


def _wants_websocket(request: web.Request) -> bool:
    return request.headers.get(hdrs.UPGRADE, "").lower() == websocket.NAME


def _text(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="text/plain", charset="utf-8")


def _refuse(number: int, status: int = 400) -> web.Response:
    body = orjson.dumps({"code": number, "message": _MEANINGS[number]})
    return web.Response(body=body, status=status, content_type="application/json")
