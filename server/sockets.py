"""Parley's Socket.IO server: clients are admitted, handled in order, and always acknowledged.

It is python-socketio's server with a dispatch of its own: there, a client may run the server's own
handlers by their reserved names, handlers of one connection overlap, and unknown events are never
answered. The private names in use are held by tests/unit/test_stack_contract.py.
"""

from __future__ import annotations

import logging
import re
from typing import Any

import socketio
from aiohttp import web

from handlers import eliza, envelope, events
from handlers.connection import Begun
from handlers.cors import Origins
from handlers.http import Gate
from rooms.arrivals import Arrival
from rooms.errors import NotFound, ParleyError, ValidationFailed
from rooms.rules import DEFAULT_SERVER_ID, is_uuid
from server import packets
from server.engine import Engine
from server.fanout import Fanout
from server.heartbeats import Deadlines
from server.packets import BadPacket, Packet
from server.session import Session
from server.socket_connection import ELIZA_NAMESPACE, SocketConnection
from server.websocket import RESTART

CONNECT_SECONDS = 10.0
MAX_NAMESPACES = 20

_SERVER_NAMESPACE = re.compile(r"/servers/([^/]+)")
_log = logging.getLogger("parley.sockets")
# The stock loggers write packets, and so content, below this level.
_stock_log = logging.getLogger("parley.stock")
_stock_log.setLevel(logging.ERROR)


class Client:
    """What the Socket.IO server keeps for a session: its namespaces, and a packet that is not whole."""

    __slots__ = ("attachments", "connections", "incomplete", "refused")

    def __init__(self) -> None:
        self.connections: dict[str, SocketConnection] = {}
        self.incomplete: Packet | None = None
        self.attachments: list[bytes] = []
        self.refused = 0


class SocketServer(socketio.AsyncServer):  # type: ignore[misc]
    """The Socket.IO side of one node."""

    eio: Engine

    def __init__(self, gate: Gate, fanout: Fanout, *, origins: Origins, **options: Any) -> None:
        super().__init__(logger=_stock_log, engineio_logger=_stock_log, **options)
        self.eio.origins = origins
        self.eio.owner = self
        self._gate = gate
        self._fanout = fanout
        self._unconnected: Deadlines[Session] = Deadlines(CONNECT_SECONDS, _expect_connect)

    def _engineio_server_class(self) -> type[Engine]:
        return Engine

    def add_to(self, app: web.Application, path: str = "/socket.io/") -> None:
        """Serve the engine's path."""
        app.router.add_route("*", path, self.eio.handle_request)

    async def close_all(self) -> None:
        """Close every transport, without a word that would tell clients to stay away."""
        self._unconnected.stop()
        await self.eio.close_all(RESTART)

    def session_opened(self, session: Session) -> None:
        """Give the client some time to connect to a namespace; called by the engine."""
        session.client = Client()
        self._unconnected.add(session)

    def session_closed(self, session: Session) -> None:
        """Forget the connections of a session that is over; called by the engine."""
        for connection in _client(session).connections.values():
            self._fanout.remove(connection)
        _client(session).connections.clear()

    async def take_message(self, session: Session, message: str | bytes) -> None:
        """Act on one message of a session; called by the engine, which waits until this is done."""
        try:
            packet = _assemble(_client(session), message)
            if packet is not None:
                await self._act(session, packet)
        except BadPacket:
            session.violate()
        except Exception:  # noqa: BLE001 - one client's packet, whatever it was, costs that client alone
            _log.exception("a packet could not be handled")
            session.violate()

    async def _act(self, session: Session, packet: Packet) -> None:
        if packet.type == packets.CONNECT:
            await self._connect(session, packet)
        elif packet.type == packets.DISCONNECT:
            await self._disconnect(session, packet.namespace)
        elif packet.type in (packets.EVENT, packets.BINARY_EVENT):
            await self._handle(session, packet)

    async def _connect(self, session: Session, packet: Packet) -> None:
        """Admit a client to a namespace, or tell it why not; nothing is sent to it before that."""
        client = _client(session)
        if packet.namespace in client.connections:
            raise BadPacket("connected to the namespace already")
        if len(client.connections) + client.refused >= MAX_NAMESPACES:
            raise BadPacket("too many namespaces")
        try:
            connection, arrival = await self._admit(session, packet)
        except ParleyError as error:
            client.refused += 1
            reason = {"message": error.message, "data": {"code": error.code, "details": error.details}}
            session.send(packets.connect_error(packet.namespace, reason))
        else:
            self._accept(session, connection, arrival)

    async def _admit(self, session: Session, packet: Packet) -> tuple[SocketConnection, Arrival]:
        """Return the connection of a client that may enter, and how it finds its server."""
        try:
            principal = await self._gate.credentials.of_handshake(packet.data, session.headers)
            server_id = _server_id(packet.namespace, packet.data)
            sid = self.eio.generate_id()
            connection = SocketConnection(sid, packet.namespace, server_id, principal, self._fanout, session)
            return connection, await self._arrive(connection)
        except ParleyError:
            raise
        except Exception as error:
            _log.exception("a connection could not be admitted")
            raise ParleyError from error

    async def _arrive(self, connection: SocketConnection) -> Arrival:
        """Look up how the connection finds its server; it is known to the fan-out unless that fails."""
        # Known before it is let in, so that it sees who is added or removed meanwhile.
        self._fanout.add(connection)
        try:
            return await events.arrive(self._gate.ctx, connection)
        except BaseException:
            self._fanout.remove(connection)
            raise

    def _accept(self, session: Session, connection: SocketConnection, arrival: Arrival) -> None:
        # The transport may have gone while all that was looked up.
        if session.closed:
            self._fanout.remove(connection)
            return
        _client(session).connections[connection.namespace] = connection
        session.send(packets.connect(connection.namespace, {"sid": connection.id}))
        connection.is_admitted = True
        for channel in arrival.own:
            connection.enter(channel.id)
        if connection.speaks_eliza:
            eliza.welcome(self._gate, connection)
        else:
            events.welcome(self._gate, connection, arrival)

    async def _disconnect(self, session: Session, namespace: str) -> None:
        connection = _client(session).connections.get(namespace)
        if connection is None:
            return
        await connection.settled()
        # The session may have ended meanwhile, and its connections with it.
        if _client(session).connections.pop(namespace, None) is not None:
            self._fanout.remove(connection)
            self._unconnected.add(session)

    async def _handle(self, session: Session, packet: Packet) -> None:
        """Dispatch one event and acknowledge it, if the client asked for that."""
        connection = _client(session).connections.get(packet.namespace)
        if connection is None:
            return
        reply = await self._reply(connection, packet.data[0], packet.data[1:])
        if isinstance(reply, Begun):
            await connection.follow(reply, packet.ack_id)
        else:
            connection.acknowledge(packet.ack_id, reply)

    async def _reply(
        self, connection: SocketConnection, name: Any, arguments: list[Any]
    ) -> dict[str, Any] | Begun:
        if not isinstance(name, str):
            return envelope.failure(ValidationFailed("An event's name must be a text"))
        dispatch = eliza.dispatch if connection.speaks_eliza else events.dispatch
        return await dispatch(self._gate, connection, name, arguments)


def _client(session: Session) -> Client:
    assert isinstance(session.client, Client)  # noqa: S101 - set when the session opens
    return session.client


def _expect_connect(session: Session) -> None:
    if not session.closed and not _client(session).connections:
        session.violate()


def _assemble(client: Client, message: str | bytes) -> Packet | None:
    """Return the packet that the message completes, or None while attachments are due."""
    waiting = client.incomplete
    if isinstance(message, str):
        if waiting is not None:
            raise BadPacket("a text while attachments are due")
        packet = packets.read(message)
        if packet.missing:
            client.incomplete = packet
            return None
        return packet
    if waiting is None:
        raise BadPacket("an attachment of nothing")
    client.attachments.append(message)
    if len(client.attachments) < waiting.missing:
        return None
    packets.attach(waiting, client.attachments)
    client.incomplete, client.attachments = None, []
    return waiting


def _server_id(namespace: str, auth: Any) -> str:
    """Return the message server that a namespace, or on ``/`` the handshake, names."""
    if namespace == ELIZA_NAMESPACE:
        stated = auth.get("serverId") if isinstance(auth, dict) else None
        return stated.lower() if isinstance(stated, str) and is_uuid(stated) else DEFAULT_SERVER_ID
    found = _SERVER_NAMESPACE.fullmatch(namespace)
    if found is None:
        raise NotFound(
            f"Namespace '{namespace[:80]}' does not exist; use /servers/<id>", message="Invalid namespace"
        )
    return found[1].lower()
