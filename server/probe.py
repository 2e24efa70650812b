"""A WebSocket that is to carry a polling session, until it has proven itself (Engine.IO, "Upgrade")."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from server.frames import TEXT, frame
from server.websocket import POLICY, PROTOCOL_ERROR, WebSocket

if TYPE_CHECKING:
    from server.engine import Engine
    from server.session import Session

PROBE_SECONDS = 10.0

_PROBE, _UPGRADE = "2probe", "5"


class Probe:
    """Reads the WebSocket meanwhile."""

    __slots__ = ("_engine", "_session", "_websocket")

    def __init__(self, session: Session, engine: Engine, websocket: WebSocket) -> None:
        self._session = session
        self._engine = engine
        self._websocket = websocket

    def begin(self) -> None:
        """Give the client some time."""
        self._engine.probing.add(self._websocket)
        asyncio.get_running_loop().call_later(PROBE_SECONDS, self._expect_proof)
        self._websocket.user = self

    def receive(self, packet: str | bytes) -> None:
        """Answer the probe, and let the session go on with the WebSocket when the client says so."""
        if packet == _PROBE and self._session.wait_for(self._websocket):
            self._websocket.write(frame(TEXT, b"3probe"))
        elif packet == _UPGRADE and self._session.waits_for(self._websocket):
            self._session.use(self._websocket)
            self._session.filled()  # or was, before its next poll
        else:
            self._websocket.close(PROTOCOL_ERROR)

    def filled(self) -> None:
        """Nothing much is sent yet."""

    def gone(self) -> None:
        """Leave the session to its polls."""
        self._session.give_up(self._websocket)

    def _expect_proof(self) -> None:
        self._engine.probing.discard(self._websocket)
        if not self._session.is_carried_by(self._websocket):
            self._websocket.close(POLICY)
