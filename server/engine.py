"""Parley's Socket.IO server: connections are admitted, handled in order, and always acknowledged.

It stands on python-socketio's packets and sessions and replaces its dispatch, because there a client
may run the server's own handlers by their reserved names, handlers of one connection overlap, and
unknown events are never answered. The private names in use are held by
tests/unit/test_stack_contract.py.
"""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import orjson
import socketio
from engineio.packet import Packet as EnginePacket
from socketio import packet as protocol

from handlers import eliza, envelope, events
from handlers.http import Gate
from rooms import servers
from rooms.errors import NotFound, ParleyError, ValidationFailed
from rooms.principals import Principal
from rooms.rules import DEFAULT_SERVER_ID, is_uuid
from server.fanout import Fanout, event_packet

ELIZA_NAMESPACE = "/"
MAX_PACKET = 1_000_000

_SERVER_NAMESPACE = re.compile(r"/servers/([^/]+)")
_log = logging.getLogger("parley.sockets")
# The stock loggers write packets, and so content, below this level.
_stock_log = logging.getLogger("parley.stock")
_stock_log.setLevel(logging.ERROR)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


class WireJson:
    """orjson for python-socketio; what orjson refuses to read is read, so that it can be answered.

    A lone surrogate is such a case: the client deserves an error in its ack, not a lost packet.
    """

    @staticmethod
    def dumps(value: Any, **_options: Any) -> str:
        """Encode a value."""
        return orjson.dumps(value).decode()

    @staticmethod
    def loads(text: str, **_options: Any) -> Any:
        """Decode a text; raise ValueError if it is not JSON."""
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            return json.loads(text, parse_constant=_refuse_constant)


class SocketConnection:
    """One client in one namespace."""

    def __init__(
        self, sid: str, namespace: str, server_id: str, principal: Principal, fanout: Fanout, socket: Any
    ) -> None:
        self.id = sid
        self.namespace = namespace
        self.server_id = server_id
        self.principal = principal
        self.speaks_eliza = namespace == ELIZA_NAMESPACE
        self.channels: set[str] = set()
        self._fanout = fanout
        self._socket = socket

    @property
    def principal_id(self) -> str:
        """Whose connection it is."""
        return self.principal.id

    def send(self, packet: EnginePacket) -> None:
        """Queue a packet behind everything that was sent before."""
        if not self._socket.closed:
            self._socket.queue.put_nowait(packet)

    def emit(self, event: str, *arguments: Any) -> None:
        """Send an event to this client alone."""
        self.send(event_packet(self.namespace, event, *arguments))

    def enter(self, channel_id: str) -> None:
        """Deliver the channel's events to this client from now on."""
        self._fanout.enter(self, channel_id)

    def leave(self, channel_id: str) -> None:
        """Deliver the channel's events no longer."""
        self._fanout.leave(self, channel_id)

    def is_in(self, channel_id: str) -> bool:
        """Tell whether the channel's events are delivered to this client."""
        return channel_id in self.channels

    def whisper(self, channel_id: str, event: str, payload: dict[str, Any]) -> None:
        """Send something ephemeral to the others in the channel."""
        self._fanout.whisper(channel_id, event, payload, self)


class SocketServer(socketio.AsyncServer):  # type: ignore[misc]
    """The Socket.IO side of one node."""

    def __init__(self, gate: Gate, fanout: Fanout, **options: Any) -> None:
        super().__init__(
            async_mode="aiohttp",
            namespaces="*",
            async_handlers=False,
            json=WireJson,
            max_http_buffer_size=MAX_PACKET,
            logger=_stock_log,
            engineio_logger=_stock_log,
            **options,
        )
        self._gate = gate
        self._fanout = fanout
        self._connected: dict[tuple[str, str], SocketConnection] = {}

    async def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        """Admit a client to a namespace, or tell it why not; nothing is sent to it before that."""
        namespace = namespace or ELIZA_NAMESPACE
        if (eio_sid, namespace) in self._connected:
            return
        try:
            server_id, principal = await self._identify(eio_sid, namespace, data)
        except ParleyError as error:
            await self._refuse(eio_sid, namespace, error)
        except Exception:  # noqa: BLE001
            _log.exception("a connection could not be admitted")
            await self._refuse(eio_sid, namespace, ParleyError())
        else:
            await self._accept(eio_sid, namespace, server_id, principal)

    async def _handle_disconnect(
        self, eio_sid: str, namespace: str | None, reason: str | None = None
    ) -> None:
        """Forget a client of a namespace."""
        connection = self._connected.pop((eio_sid, namespace or ELIZA_NAMESPACE), None)
        if connection is not None:
            self._fanout.remove(connection)
            await super()._handle_disconnect(eio_sid, namespace, reason)

    async def _handle_event(
        self,
        eio_sid: str,
        namespace: str | None,
        ack_id: int | None,
        data: Any,
    ) -> None:
        """Dispatch one event and acknowledge it, if the client asked for that."""
        connection = self._connected.get((eio_sid, namespace or ELIZA_NAMESPACE))
        if connection is None:
            return
        reply = await self._reply(connection, data)
        if ack_id is not None:
            ack = self.packet_class(
                protocol.ACK, namespace=connection.namespace, id=ack_id, data=[reply], binary=False
            )
            await self._send_packet(eio_sid, ack)

    async def _reply(self, connection: SocketConnection, data: Any) -> dict[str, Any]:
        if not isinstance(data, list) or not data or not isinstance(data[0], str):
            return envelope.failure(ValidationFailed("An event must be a list that begins with its name"))
        dispatch = eliza.dispatch if connection.speaks_eliza else events.dispatch
        return await dispatch(self._gate, connection, data[0], data[1:])

    async def _identify(self, eio_sid: str, namespace: str, auth: Any) -> tuple[str, Principal]:
        """Return which server the client wants and who it is."""
        headers = self.environ[eio_sid]["aiohttp.request"].headers
        principal = await self._gate.credentials.of_handshake(auth, headers)
        server_id = _server_id(namespace, auth)
        await servers.require(self._gate.ctx, server_id)
        return server_id, principal

    async def _accept(self, eio_sid: str, namespace: str, server_id: str, principal: Principal) -> None:
        # The transport may have gone while the credential was looked up.
        if eio_sid not in self.environ or eio_sid not in self.eio.sockets:
            return
        sid = await self.manager.pre_connect(eio_sid, namespace)
        connection = SocketConnection(
            sid, namespace, server_id, principal, self._fanout, self.eio.sockets[eio_sid]
        )
        self._connected[eio_sid, namespace] = connection
        await self._send_packet(
            eio_sid, self.packet_class(protocol.CONNECT, {"sid": sid}, namespace=namespace)
        )
        await self.manager.connect(sid, namespace)
        self._fanout.add(connection)
        welcome = eliza.welcome if connection.speaks_eliza else events.welcome
        await welcome(self._gate, connection)

    async def _refuse(self, eio_sid: str, namespace: str, error: ParleyError) -> None:
        reason = {"message": error.message, "data": {"code": error.code, "details": error.details}}
        packet = self.packet_class(protocol.CONNECT_ERROR, data=reason, namespace=namespace)
        await self._send_packet(eio_sid, packet)

    async def close_all(self) -> None:
        """Close every transport, without a word that would tell clients to stay away."""
        for socket in list(self.eio.sockets.values()):
            await socket.close(wait=False, abort=True)
            socket.queue.put_nowait(None)  # ends the transport's writer, which closes the WebSocket


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
