"""Lets clients into namespaces: new ones, and those that come back for what they missed."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any

from handlers import eliza, events
from handlers.http import Gate
from rooms import recovery, replay
from rooms.arrivals import Arrival
from rooms.cursors import Pid
from rooms.errors import Conflict, NotFound, ParleyError
from rooms.principals import Principal
from rooms.recovery import Claim, Recovery
from rooms.replay import Resync
from rooms.rows import Interval
from rooms.rules import DEFAULT_SERVER_ID, is_uuid
from rooms.views import View
from server import packets
from server.catching_up import CatchingUp
from server.client import client_of
from server.fanout import Fanout
from server.packets import Packet
from server.session import Session
from server.socket_connection import ELIZA_NAMESPACE, SocketConnection

_SERVER_NAMESPACE = re.compile(r"/servers/([^/]+)")
_log = logging.getLogger("parley.sockets")


@dataclass(frozen=True, slots=True)
class Admission:
    """What is known of a client that may enter.

    ``found`` is where it goes on, why it cannot, or None if it is new; ``view`` what it is shown that
    goes on.
    """

    arrival: Arrival
    view: View
    found: Recovery | Resync | None


class Admissions:
    """Who may enter, and who holds which connection."""

    def __init__(self, gate: Gate, fanout: Fanout, catching_up: CatchingUp) -> None:
        self._gate = gate
        self._fanout = fanout
        self._catch_up = catching_up.start  # one for all connections
        self.holders: dict[str, SocketConnection] = {}  # by the id in their pids

    async def admit(self, session: Session, packet: Packet, sid: str) -> None:
        """Let a client in, or raise the ParleyError that keeps it out; nothing is sent to it before."""
        try:
            connection, admission = await self._look_up(session, packet, sid)
        except ParleyError:
            raise
        except Exception as error:
            _log.exception("a connection could not be admitted")
            raise ParleyError from error
        # The transport may have gone meanwhile.
        if session.closed:
            self._fanout.remove(connection)
        else:
            self._let_in(session, connection, admission)

    def forget(self, connection: SocketConnection) -> None:
        """Forget a connection that is over."""
        connection.is_left = True
        self._fanout.remove(connection)
        client_of(connection.session).leave(connection.namespace)
        if self.holders.get(connection.pid_id) is connection:
            del self.holders[connection.pid_id]

    def connections(self) -> list[SocketConnection]:
        """Return every connection that was let in and is not over."""
        return list(self.holders.values())

    def dismiss(self, connection: SocketConnection) -> None:
        """End a connection for good: a stock client does not come back by itself after a DISCONNECT."""
        self.forget(connection)
        farewell = packets.disconnect(connection.namespace)
        if client_of(connection.session).connections:
            connection.send(farewell)
        else:
            connection.session.dismiss(farewell)

    async def _look_up(
        self, session: Session, packet: Packet, sid: str
    ) -> tuple[SocketConnection, Admission]:
        ctx = self._gate.ctx
        principal = await self._gate.credentials.of_handshake(packet.data, session.headers)
        await self._gate.limits.charge_read(principal)
        server_id = _server_id(packet.namespace, packet.data)
        found = await recovery.recover(ctx, _claim(principal, server_id, packet.data))
        connection = SocketConnection(
            sid, packet.namespace, server_id, principal, self._fanout, session, self._catch_up
        )
        await replay.settle(ctx, server_id)
        # Known before it is let in, so that it sees who is added or removed meanwhile.
        self._fanout.add(connection)
        try:
            goes_on = found if isinstance(found, Recovery) else None
            arrival, view = await events.arrive(ctx, connection, goes_on)
            self._take_over(connection, goes_on)
        except BaseException:
            self._fanout.remove(connection)
            raise
        return connection, Admission(arrival, view, found)

    def _take_over(self, connection: SocketConnection, found: Recovery | None) -> None:
        """End whatever connection the client had before.

        Raises Conflict if the client has come back once more since then: what it said on a session that
        it has given up may arrive after what it says on its newest.
        """
        if found is None or found.pid is None:
            return
        connection.generation = found.generation
        holder = self.holders.get(found.pid.id)
        if holder is None:
            return
        if holder.session.number > connection.session.number or holder.generation > found.generation:
            raise Conflict("The client has come back on another connection meanwhile")
        # For good, so that two holders of one pid do not evict each other for ever.
        self.dismiss(holder)

    def _let_in(self, session: Session, connection: SocketConnection, admission: Admission) -> None:
        """Answer the CONNECT, greet, and begin to send what was missed."""
        pid = self._settle(connection, admission)
        self.holders[pid.id] = connection
        client_of(session).connections[connection.namespace] = connection
        connection.hears_whispers = True
        told = {"sid": connection.id, "pid": self._gate.ctx.cursors.write_pid(pid)}
        session.send(packets.connect(connection.namespace, told))
        if connection.speaks_eliza:
            eliza.welcome(self._gate, connection)
        else:
            recovered = isinstance(admission.found, Recovery)
            events.welcome(self._gate, connection, admission.arrival, recovered=recovered)
        if isinstance(admission.found, Resync):
            events.tell_resync(self._gate.ctx, connection, admission.found)
        if connection.cursor.lag is not None:
            # The pid does not know of it.
            connection.emit("cursor", self._gate.ctx.cursors.write(connection.cursor))
        self._catch_up(connection)

    def _settle(self, connection: SocketConnection, admission: Admission) -> Pid:
        """Decide where the connection stands, and what it is shown from there on; return its pid."""
        present = self._fanout.position(connection.server_id)
        if isinstance(admission.found, Recovery):
            connection.cursor, connection.view = admission.found.cursor, admission.view
            known = admission.found.pid
        else:
            connection.cursor, known = present, None
            connection.view = View(
                (channel_id, Interval(max(present.seq + 1, joined_seq), None))
                for channel_id, joined_seq in admission.arrival.joined.items()
            )
        reason = admission.found.reason if isinstance(admission.found, Resync) else None
        pid = known or Pid.make(connection.principal.owner, connection.cursor, reason)
        connection.pid_id, connection.told = pid.id, connection.cursor.seq
        return pid


def _claim(principal: Principal, server_id: str, auth: Any) -> Claim:
    """Return where a client says that it was: as stock clients do, or by a cursor from another door."""
    stated = auth if isinstance(auth, dict) else {}
    pid, offset, after = (_text(stated.get(name)) for name in ("pid", "offset", "after"))
    return Claim(principal, server_id, pid, offset or after)


def _text(value: object) -> str | None:
    """Return what a client sent as a text; what is none was never issued."""
    return None if value is None else value if isinstance(value, str) else "?"


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
