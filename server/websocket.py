"""A WebSocket as an asyncio protocol: a library's compiled parser in, prebuilt frames out.

The handshake arrives as an aiohttp request. Once it is answered the socket's protocol is exchanged
and aiohttp's objects are let go, so that an idle connection costs little.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

from aiohttp import WSMsgType, hdrs, web
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from aiohttp.http_websocket import WebSocketError, WSMessage

from server.connections import leave
from server.frames import PONG, close_frame, frame

NORMAL, GOING_AWAY, PROTOCOL_ERROR, POLICY, TOO_BIG, RESTART, TRY_LATER = (
    1000,
    1001,
    1002,
    1008,
    1009,
    1012,
    1013,
)
NAME = "websocket"
MAX_MESSAGE = 1_000_000
LINGER_SECONDS = 2.0

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SHORTEST_HEADER, _MASK = 2, 4
_EXTRA_LENGTH = {126: 2, 127: 8}
_FINAL, _OPCODE, _WHOLE_TEXT, _MASKED = 0x80, 0x0F, 0x81, 0x80
_CONTINUATION, _FIRST_CONTROL = 0x0, 0x8


class User(Protocol):
    """Whoever reads a WebSocket at the moment."""

    def receive(self, packet: str | bytes) -> None:
        """Take one message."""

    def filled(self) -> None:
        """Know that the client takes less than it is sent, or that there is room again."""

    def gone(self) -> None:
        """Know that it is over."""


class Nobody:
    """Reads nothing."""

    def receive(self, packet: str | bytes) -> None:
        """Pass over it."""

    def filled(self) -> None:
        """Nothing waits."""

    def gone(self) -> None:
        """Nothing depends on it."""


NOBODY = Nobody()


class WebSocket(asyncio.Protocol):
    """One client's WebSocket, and its ``user`` at the moment."""

    __slots__ = (
        "_head",
        "_is_amid_fragments",
        "_parser",
        "_skip",
        "closed",
        "is_broken",
        "is_full",
        "is_heard",
        "transport",
        "user",
    )

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.closed = False
        self.is_broken = False  # by frames that are none
        self.is_full = False  # with what the client has not taken yet
        self.is_heard = True
        self.user: User = NOBODY
        self._head = b""  # of a frame whose header has not come whole
        self._skip = 0  # bytes until the next frame begins
        self._is_amid_fragments = False
        # The parser's own bound is the first size that it refuses.
        self._parser = WebSocketReader(_Messages(self), MAX_MESSAGE + 1, False, True)

    def write(self, frames: bytes) -> None:
        """Send frames."""
        if not self.closed:
            self.transport.write(frames)

    @property
    def waiting(self) -> int:
        """How many bytes were written and have not left yet."""
        return self.transport.get_write_buffer_size()

    def stop_listening(self) -> None:
        """Read on, for the client's sake, and throw away what it says."""
        self.is_heard = False

    def close(self, code: int) -> None:
        """Close the connection; what was written before still has a moment to leave."""
        if self.closed:
            return
        self.transport.write(close_frame(code))
        self.closed = True
        self.transport.close()
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self.transport.abort)

    def abort(self) -> None:
        """Drop the connection with all that waits."""
        self.closed = True
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse what came; called by the loop."""
        if self.closed:
            return
        if not self._is_sound(data):
            self.fail(WebSocketError(PROTOCOL_ERROR, "a frame without a mask, or out of its turn"))
            return
        self._parser.feed_data(data)

    def pause_writing(self) -> None:
        """Know that the client takes less than it is sent; called by the loop."""
        self.is_full = True
        self.user.filled()

    def resume_writing(self) -> None:
        """Know that there is room again; called by the loop."""
        self.is_full = False
        self.user.filled()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the reader that it is over; called by the loop."""
        self.closed = True
        user, self.user = self.user, NOBODY
        user.gone()

    def handle(self, message: WSMessage) -> None:
        """Act on one parsed message."""
        if self.closed:
            return
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            if self.is_heard:
                self.user.receive(message.data)
        elif message.type is WSMsgType.PING:
            self.write(frame(PONG, bytes(message.data)))
            if self.waiting > MAX_MESSAGE:
                self.abort()
        elif message.type is WSMsgType.CLOSE:
            self._fail(NORMAL)

    def fail(self, error: BaseException) -> None:
        """Close for a violation of the protocol."""
        self.is_broken = True
        self._fail(error.code if isinstance(error, WebSocketError) else PROTOCOL_ERROR)

    def _fail(self, code: int) -> None:
        self.close(code)
        self.stop_listening()

    def _is_sound(self, data: bytes) -> bool:
        """Tell whether every frame that begins in these bytes is masked, and is due.

        The parser lets frames without a mask pass, and messages that begin amid the fragments of another.
        """
        if self._is_one_text(data):
            return True
        if self._skip >= len(data):
            self._skip -= len(data)
            return True
        view = self._head + data[self._skip :] if self._head or self._skip else data
        at, size = 0, len(view)
        while size - at >= _SHORTEST_HEADER:
            second = view[at + 1]
            if not second & 0x80:
                return False
            extra = _EXTRA_LENGTH.get(second & 0x7F, 0)
            if size - at < _SHORTEST_HEADER + extra:
                break
            first = view[at]
            if (first != _WHOLE_TEXT or self._is_amid_fragments) and not self._is_due(first):
                return False
            length = int.from_bytes(view[at + 2 : at + 2 + extra]) if extra else second & 0x7F
            at += _SHORTEST_HEADER + extra + _MASK + length
        self._head = view[at:]
        self._skip = max(0, at - size)
        return True

    def _is_one_text(self, data: bytes) -> bool:
        """Tell whether this is what clients send most of the time: one whole text of up to 64 KiB, alone."""
        rest = len(data) - _SHORTEST_HEADER - _MASK
        if rest < 0 or data[0] != _WHOLE_TEXT or self._skip or self._head or self._is_amid_fragments:
            return False
        if rest < 126:
            return data[1] == _MASKED | rest
        return data[1] == _MASKED | 126 and data[2] << 8 | data[3] == rest - _EXTRA_LENGTH[126]

    def _is_due(self, first: int) -> bool:
        """Tell whether a frame with this first byte may follow the one before (RFC 6455, 5.4)."""
        opcode = first & _OPCODE
        if opcode >= _FIRST_CONTROL:
            return True
        was_amid, self._is_amid_fragments = self._is_amid_fragments, not first & _FINAL
        return was_amid == (opcode == _CONTINUATION)


class _Messages(WebSocketDataQueue):
    """Where the parser puts messages: straight to the WebSocket, so that nothing is ever queued."""

    __slots__ = ("_websocket",)

    _size = _limit = 0  # the parser compares them

    def __init__(self, websocket: WebSocket) -> None:
        # Without the queue's own: its buffers would be a good part of what an idle connection costs.
        self._websocket = websocket

    def feed_data(self, data: Any, size: int) -> None:
        self._websocket.handle(data)

    def feed_eof(self) -> None:
        self._websocket.abort()

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        self._websocket.fail(exc)


def accept(request: web.Request, prepare: Callable[[WebSocket], None]) -> NoReturn:
    """Answer the handshake and take the socket from aiohttp; the request ends here.

    ``prepare`` gives the new WebSocket its user. Raises HTTPBadRequest for a handshake that is none.
    """
    answer = _handshake(request)
    early, transport = leave(request.protocol)
    websocket = WebSocket(transport)
    transport.set_protocol(websocket)
    transport.write(answer)
    prepare(websocket)
    if early:
        websocket.data_received(early)
    # What aiohttp would still do for this request, it must not: the socket is not its own any more.
    raise asyncio.CancelledError


def _handshake(request: web.Request) -> bytes:
    """Return the answer to a handshake (RFC 6455, 4.2.2); no extension is ever accepted."""
    key = request.headers.get("Sec-WebSocket-Key", "")
    try:
        is_sound = len(base64.b64decode(key, validate=True)) == 16 and request.method == hdrs.METH_GET
    except ValueError:
        is_sound = False
    if (
        not is_sound
        or not _asks_to_upgrade(request)
        or request.headers.get("Sec-WebSocket-Version") != "13"
        or request.transport is None
    ):
        raise web.HTTPBadRequest(text="This is no WebSocket handshake of version 13")
    accepted = base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accepted + b"\r\n\r\n"
    )


def _asks_to_upgrade(request: web.Request) -> bool:
    """Tell whether the connection's options name the upgrade, which nobody may pass on (RFC 6455, 4.2.1)."""
    options = ",".join(request.headers.getall(hdrs.CONNECTION, ()))
    return "upgrade" in (option.strip().lower() for option in options.split(","))
