"""The servers that the official protocol suites talk to: Parley's transport, with echoes in place of chat.

The suites expect heartbeats every 300 ms, 200 ms to answer one, and these owners of the messages:

Engine.IO: every message comes back as it was.

Socket.IO: the namespaces ``/`` and ``/custom``, which let everybody in and then emit ``auth`` with what
the client said in its CONNECT; ``message`` comes back as ``message-back``; the arguments of
``message-with-ack`` come back in its ack.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import orjson
from aiohttp import web

from handlers.cors import Origins
from rooms.cursors import CursorSigner
from rooms.principals import Kind, Principal
from rooms.streams import Streams
from rooms.tail import Tail
from server import packets
from server.client import client_of
from server.engine import Engine
from server.fanout import Fanout
from server.frames import BINARY, Outgoing, frame
from server.packets import Packet
from server.session import Session
from server.socket_connection import SocketConnection
from server.sockets import SocketServer

PING_INTERVAL, PING_TIMEOUT = 0.3, 0.2
NAMESPACES = ("/", "/custom")
ANYBODY = Principal("anybody", Kind.USER)


class Binary(Outgoing):
    """A binary message, which Parley itself never sends: base64 in a poll, a frame on a WebSocket."""

    def __init__(self, data: bytes) -> None:
        super().__init__(b"b" + b64encode(data))
        self._data = data

    @property
    def frames(self) -> bytes:
        """The message as a WebSocket frame."""
        return frame(BINARY, self._data)


def engine_app() -> web.Application:
    """Return an Engine.IO server on ``/engine.io/``."""
    engine = Engine(ping_interval=PING_INTERVAL, ping_timeout=PING_TIMEOUT)
    engine.owner = Echo()
    return _serving("/engine.io/", engine)


class Echo:
    """The owner of sessions whose messages come back."""

    def session_opened(self, session: Session) -> None:
        """Nothing is needed."""

    async def take_message(self, session: Session, message: str | bytes) -> None:
        """Send the message back as what it is."""
        session.send(Outgoing(b"4" + message.encode()) if isinstance(message, str) else Binary(message))

    def session_pinged(self, session: Session) -> None:
        """Nothing is due."""

    def session_has_room(self, session: Session) -> None:
        """Nobody wants to be asked."""

    def session_filled(self, session: Session) -> None:
        """Nothing can be spared."""

    def session_closed(self, session: Session) -> None:
        """Nothing is kept."""


class Everybody:
    """Lets everybody into the namespaces that there are, and tells them what they sent for it."""

    async def admit(self, session: Session, packet: Packet, sid: str) -> None:
        """Let a client in, or tell it that there is no such namespace."""
        name = packet.namespace
        if name not in NAMESPACES:
            session.send(packets.connect_error(name, {"message": "Invalid namespace"}))
            return
        fanout = Fanout(CursorSigner(b""), Tail(), Streams())
        connection = SocketConnection(sid, name, name, ANYBODY, fanout, session, lambda _: None)
        client_of(session).connections[name] = connection
        session.send(packets.connect(name, {"sid": connection.id}))
        connection.emit("auth", packet.data or {})

    def forget(self, connection: SocketConnection) -> None:
        """Let a client go."""
        client_of(connection.session).connections.pop(connection.namespace, None)


class EchoServer(SocketServer):
    """Parley's Socket.IO server without credentials, message servers and events of its own.

    Sessions, packets, their order and DISCONNECT are Parley's. Admission and events are not, and one
    thing differs on the wire: a namespace that does not exist is refused with the message alone, as the
    suite wants it letter by letter, where Parley adds ``data`` with a code and details.
    """

    def __init__(self) -> None:
        super().__init__(
            cast(Any, None),
            cast(Any, Everybody()),
            origins=Origins(),
            ping_interval=PING_INTERVAL,
            ping_timeout=PING_TIMEOUT,
        )

    async def _handle(self, session: Session, packet: Packet) -> None:
        name, *arguments = packet.data
        if name == "message":
            _answer(session, packets.EVENT, packet, ["message-back", *arguments], b"")
        elif name == "message-with-ack":
            _answer(session, packets.ACK, packet, arguments, str(packet.ack_id).encode())


def _answer(session: Session, kind: str, packet: Packet, data: list[Any], ack_id: bytes) -> None:
    """Send a packet; bytes in its data follow it as attachments."""
    attachments: list[bytes] = []
    body = orjson.dumps(_detach(data, attachments))
    if attachments:
        binary = {packets.EVENT: packets.BINARY_EVENT, packets.ACK: packets.BINARY_ACK}[kind]
        kind = f"{binary}{len(attachments)}-"
    namespace = b"" if packet.namespace == "/" else packet.namespace.encode() + b","
    session.send(Outgoing(b"4" + kind.encode() + namespace + ack_id + body))
    for attachment in attachments:
        session.send(Binary(attachment))


def _detach(value: Any, attachments: list[bytes]) -> Any:
    if isinstance(value, bytes):
        attachments.append(value)
        return {"_placeholder": True, "num": len(attachments) - 1}
    if isinstance(value, list):
        return [_detach(child, attachments) for child in value]
    if isinstance(value, dict):
        return {key: _detach(child, attachments) for key, child in value.items()}
    return value


def socket_app() -> web.Application:
    """Return a Socket.IO server on ``/socket.io/``."""
    return _serving("/socket.io/", EchoServer().eio)


def _serving(path: str, engine: Engine) -> web.Application:
    async def close_all(_app: web.Application) -> None:
        await engine.close_all(1001)

    app = web.Application()
    app.router.add_route("*", path, engine.handle_request)
    app.on_shutdown.append(close_all)
    return app


@asynccontextmanager
async def listening(app: web.Application) -> AsyncIterator[int]:
    """Serve on a free port of this machine until the block ends."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
