"""Parley's Socket.IO server: clients are admitted, handled in order, and always acknowledged.

It is python-socketio's server with a dispatch of its own: there, a client may run the server's own
handlers by their reserved names, handlers of one connection overlap, and unknown events are never
answered. The private names in use are held by tests/unit/test_stack_contract.py.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

import socketio
from aiohttp import web

from handlers import eliza, envelope, events
from handlers.connection import Begun
from handlers.cors import Origins
from handlers.http import Gate
from rooms.errors import ParleyError, ValidationFailed, is_passing
from server import packets
from server.admission import Admissions
from server.client import MAX_NAMESPACES, Client, client_of
from server.engine import Engine
from server.heartbeats import Deadlines
from server.packets import BadPacket, Packet
from server.session import Session
from server.socket_connection import SocketConnection
from server.websocket import RESTART, TRY_LATER

# For a client to connect to a namespace, and to complete a packet: so long at least, and twice at most.
OWING_SECONDS = 10.0
# A quiet client's position is moved on when it is so old, or, looked at with each heartbeat, so far behind.
CURSOR_SECONDS = 300.0

_log = logging.getLogger("parley.sockets")
# The stock loggers write packets, and so content, below this level.
_stock_log = logging.getLogger("parley.stock")
_stock_log.setLevel(logging.ERROR)


class SocketServer(socketio.AsyncServer):  # type: ignore[misc]
    """The Socket.IO side of one node."""

    eio: Engine

    def __init__(self, gate: Gate, admissions: Admissions, *, origins: Origins, **options: Any) -> None:
        super().__init__(logger=_stock_log, engineio_logger=_stock_log, **options)
        self.eio.origins = origins
        self.eio.owner = self
        self._gate = gate
        self.admissions = admissions
        self._owing: Deadlines[Session] = Deadlines(OWING_SECONDS, self._look_after)

    def _engineio_server_class(self) -> type[Engine]:
        return Engine

    def add_to(self, app: web.Application, path: str = "/socket.io/") -> None:
        """Serve the engine's path."""
        app.router.add_route("*", path, self.eio.handle_request)

    @property
    def held(self) -> Collection[str]:
        """The ids of the connections that are open, at any time, as their pids have them."""
        return self.admissions.holders.keys()

    @property
    def sessions(self) -> list[Session]:
        """Every client there is at the moment."""
        return list(self.eio.sockets.values())

    def connections_of(self, session: Session) -> Collection[SocketConnection]:
        """Return the client's connections, one for each namespace it is in."""
        return client_of(session).connections.values()

    async def close_all(self) -> None:
        """Close every transport, without a word that would tell clients to stay away."""
        self._owing.stop()
        await self.eio.close_all(RESTART)

    def session_opened(self, session: Session) -> None:
        """Give the client some time to connect to a namespace; called by the engine."""
        session.client = Client()
        self._await(session)

    def session_closed(self, session: Session) -> None:
        """Forget the connections of a session that is over; called by the engine."""
        for connection in list(client_of(session).connections.values()):
            self.admissions.forget(connection)

    def session_pinged(self, session: Session) -> None:
        """Move the clients' positions on, now and then; called by the engine."""
        age = session.pings * self.eio.ping_interval
        for connection in client_of(session).connections.values():
            connection.tell_position(is_due=age % CURSOR_SECONDS < self.eio.ping_interval)

    def session_has_room(self, session: Session) -> None:
        """Send a client what it has missed of replies; called by the engine."""
        for connection in client_of(session).connections.values():
            connection.make_up()

    def session_filled(self, session: Session) -> None:
        """Spare a client that takes less than it is sent what may be missed; called by the engine."""
        for connection in client_of(session).connections.values():
            connection.hears_whispers = not session.is_full

    async def take_message(self, session: Session, message: str | bytes) -> None:
        """Act on one message of a session; called by the engine, which waits until this is done."""
        try:
            packet = client_of(session).assemble(message)
            if packet is not None:
                await self._act(session, packet)
            elif isinstance(message, str):
                self._await(session)
        except BadPacket:
            session.violate()
        except Exception:  # noqa: BLE001 - one client's packet, whatever it was, costs that client alone
            _log.exception("a packet could not be handled")
            session.violate()

    async def _act(self, session: Session, packet: Packet) -> None:
        client = client_of(session)
        if packet.type == packets.CONNECT:
            await self._connect(session, packet)
        elif (connection := client.connections.get(packet.namespace)) is None:
            if packet.namespace not in client.left:
                raise BadPacket("a namespace that was never connected")
        elif connection.principal.expires_at is not None and self._is_expired(connection):
            self.admissions.dismiss(connection)
        elif packet.type == packets.DISCONNECT:
            await self._disconnect(session, connection)
        elif packet.type in (packets.EVENT, packets.BINARY_EVENT):
            await self._handle(connection, packet)

    def _is_expired(self, connection: SocketConnection) -> bool:
        return connection.principal.is_expired(self._gate.ctx.clock())

    async def _connect(self, session: Session, packet: Packet) -> None:
        """Admit a client to a namespace, or tell it why not; nothing is sent to it before that."""
        client = client_of(session)
        if packet.namespace in client.connections:
            raise BadPacket("connected to the namespace already")
        try:
            if len(client.connections) >= MAX_NAMESPACES:
                raise ValidationFailed(
                    f"A connection is in {MAX_NAMESPACES} namespaces at most; open another one for more",
                    message="Too many namespaces",
                )
            await self.admissions.admit(session, packet, self.eio.generate_id())
        except ParleyError as error:
            if is_passing(error):
                # After a CONNECT_ERROR a stock client would never come back by itself.
                session.close(TRY_LATER)
                return
            client.count_refusal()
            reason = {"message": error.message, "data": {"code": error.code, "details": error.details}}
            session.send(packets.connect_error(packet.namespace, reason))

    async def _disconnect(self, session: Session, connection: SocketConnection) -> None:
        await connection.settled()
        # The session may have ended meanwhile, and its connections with it.
        client = client_of(session)
        if client.connections.get(connection.namespace) is connection:
            self.admissions.forget(connection)
            if not client.connections:
                self._await(session)

    def _await(self, session: Session) -> None:
        """Begin the client's deadline for what it owes from now on."""
        client = client_of(session)
        if client.is_awaited:
            client.is_spared = True
        else:
            client.is_awaited = True
            self._owing.add(session)

    def _look_after(self, session: Session) -> None:
        """Close a client that still owes what it owed when its deadline began."""
        client = client_of(session)
        is_spared, client.is_awaited, client.is_spared = client.is_spared, False, False
        if session.closed or not client.owes:
            return
        if is_spared:
            self._await(session)
        else:
            session.violate()

    async def _handle(self, connection: SocketConnection, packet: Packet) -> None:
        """Dispatch one event and acknowledge it, if the client asked for that."""
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
