"""An Engine.IO session: one client, whichever transport carries it (Engine.IO protocol, revision 4).

Packets are sent in one order, over polling or a WebSocket. What is sent within one tick of the loop
leaves in one write. Messages are handed on in the order in which they came, one after the other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from server import eager
from server.frames import Outgoing
from server.probe import Probe
from server.websocket import NORMAL, POLICY, PROTOCOL_ERROR, TRY_LATER, WebSocket

if TYPE_CHECKING:
    from server.engine import Engine

OPEN, CLOSE, PING, PONG, MESSAGE, _UPGRADE, NOOP = "0123456"

# A client that has not yet made room for what it was sent is closed, and comes back. Long before that it is
# spared what may be missed: here one that polls, one with a WebSocket when asyncio says that it is full.
MAX_UNSENT, SPARED_FROM = 1024 * 1024, 64 * 1024
# Reading stops while this much waits to be handled; each message counts as more than its bytes.
MAX_INBOX, INBOX_LOW, MESSAGE_COST = 1024 * 1024, 256 * 1024, 4096
TURN = 64  # messages of one client before it is the others' turn
# A client that takes nothing for so long while more waits for it is closed, and comes back.
PROGRESS_SECONDS = 30.0
# How long a poll waits for something to send while a WebSocket proves itself.
PROBED_SECONDS = 0.1
SEPARATOR = "\x1e"

_PING = Outgoing(b"2")
_NOOP = NOOP.encode()


class Session:
    """One client of the engine."""

    __slots__ = (
        "__weakref__",
        "_engine",
        "_farewell",
        "_flush_due",
        "_handled",
        "_inbox",
        "_inbox_bytes",
        "_left_bytes",
        "_poll",
        "_post_waits",
        "_probe",
        "_reading_paused",
        "_room",
        "_unsent",
        "_unsent_bytes",
        "_wants_more",
        "_was_held_up",
        "_websocket",
        "_worker",
        "client",
        "closed",
        "headers",
        "is_posting",
        "number",
        "pings",
        "pongs",
        "sid",
    )

    def __init__(self, engine: Engine, sid: str, number: int) -> None:
        self.sid = sid
        self.number = number  # in the order in which the engine opened its sessions
        self.closed = False
        self.client: object = None  # whatever the engine's owner keeps for it
        self.headers: dict[str, str] = {}
        self.pings = self.pongs = 0
        self.is_posting = False  # a polling POST is under way
        self._farewell: str | None = None
        self._engine = engine
        self._websocket: WebSocket | None = None
        self._probe: WebSocket | None = None
        self._poll: asyncio.Event | None = None
        self._unsent: list[Outgoing] = []
        self._unsent_bytes = 0
        self._left_bytes = 0  # of these, what had not been polled when the last tick was over
        self._flush_due = False
        self._inbox: deque[str | bytes] | None = None  # what came while another message is handled
        self._inbox_bytes = 0
        self._worker: asyncio.Task[None] | None = None
        self._handled = 0  # at once, since the last flush
        self._reading_paused = False
        self._post_waits = False  # for its packets to be handled
        self._was_held_up = False  # since the last heartbeat, or since somebody asked
        self._room: asyncio.Future[None] | None = None  # awaited by whoever has more to send
        self._wants_more = False  # once there is room: the engine's owner has more to send

    # Sending

    def send(self, outgoing: Outgoing) -> None:
        """Queue packets; they leave at the end of this tick, or with the client's next poll."""
        if self.closed:
            return
        self._unsent.append(outgoing)
        self._unsent_bytes += outgoing.size
        if not self._flush_due:  # spelled out: this runs once for each receiver
            self._flush_due = True
            self._engine.flush_soon(self)

    def _flush_soon(self) -> None:
        if not self._flush_due:
            self._flush_due = True
            self._engine.flush_soon(self)

    def flush(self) -> None:
        """Write what is queued to the WebSocket, or wake the poll that waits for it.

        A client that has not made room since the last time is closed; however much one tick brings,
        nobody is closed for that.
        """
        self._flush_due = False
        self._handled = 0
        if self.closed:
            return
        if not self._unsent:
            pass  # somebody else may have more to send
        elif self._websocket is not None:
            self._write(self._websocket)
        elif self._poll is not None:
            self._wake_poll()
        elif self._left_bytes > MAX_UNSENT:
            self.close(TRY_LATER)
        else:
            self._left_bytes = self._unsent_bytes
            if self._left_bytes > SPARED_FROM:
                self.filled()
        self._tell_of_room()

    def _write(self, websocket: WebSocket) -> None:
        if websocket.waiting > MAX_UNSENT:
            self.close(TRY_LATER)
            return
        websocket.write(self._engine.join(self._unsent))
        self._unsent, self._unsent_bytes = [], 0

    @property
    def is_full(self) -> bool:
        """Tell whether the client takes less than it is sent."""
        if self._websocket is not None:
            return self._websocket.is_full
        return self._unsent_bytes > 0

    async def drain(self) -> None:
        """Wait until most of what was sent has left; a client that takes nothing meanwhile is closed."""
        while not self.closed and (self._unsent or self.is_full):
            before = self._backlog()
            if self._room is None or self._room.done():
                self._room = asyncio.get_running_loop().create_future()
            done, _ = await asyncio.wait([self._room], timeout=PROGRESS_SECONDS)
            if not done and self._backlog() >= before:
                self.close(TRY_LATER)

    def _backlog(self) -> int:
        return self._unsent_bytes + (self._websocket.waiting if self._websocket is not None else 0)

    def ask_for_more(self) -> None:
        """Ask the engine's owner for more as soon as there is room, but not before this tick is over."""
        self._wants_more = True
        self._flush_soon()

    def _tell_of_room(self) -> None:
        if (self._room is None and not self._wants_more) or self._unsent or self.is_full:
            return
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        if self._wants_more:
            self._wants_more = False
            self._engine.owner.session_has_room(self)

    def filled(self) -> None:
        """Know that the client's transport has got full, or has room again."""
        self._engine.owner.session_filled(self)
        self._tell_of_room()

    def ping(self) -> None:
        """Send a heartbeat."""
        self.pings += 1
        self._was_held_up = False
        self.send(_PING)
        self._engine.owner.session_pinged(self)

    async def poll(self) -> bytes:
        """Wait until there is something to send and return it as the body of a poll's answer."""
        if self._poll is not None:
            self.close(PROTOCOL_ERROR, farewell=CLOSE)
            raise ConnectionError("a second poll at the same time")
        if not self._unsent:
            await self._wait_in_poll()
        if self._farewell is not None:
            return self._farewell.encode()
        if self.closed:
            # As any request of an unknown session: a packet that says "close" keeps some clients away.
            raise ConnectionError("closed while the poll waited")
        if not self._unsent or not self.is_polling:
            return _NOOP
        packets = [packet for outgoing in self._unsent for packet in outgoing.packets]
        self._unsent, self._unsent_bytes, self._left_bytes = [], 0, 0
        self.filled()
        return SEPARATOR.encode().join(packets)

    async def _wait_in_poll(self) -> None:
        self._poll = asyncio.Event()
        try:
            # A client that waits for a poll cannot change over to the WebSocket that proves itself.
            async with asyncio.timeout(PROBED_SECONDS if self._probe is not None else None):
                await self._poll.wait()
        except TimeoutError:
            pass
        finally:
            self._poll = None

    def _wake_poll(self) -> None:
        if self._poll is not None:
            self._poll.set()

    def dismiss(self, farewell: Outgoing) -> None:
        """Drop what is queued, send this instead, and close; the poll that waits, or the next, gets it."""
        self._unsent, self._unsent_bytes = [farewell], farewell.size
        if self._websocket is not None:
            self.flush()
        elif self._poll is None:
            self._engine.keep_farewell(self.sid, farewell.packets[0])
        self.close(NORMAL, farewell=farewell.packets[0].decode())

    # Receiving

    async def caught_up(self) -> bool:
        """Wait while too much waits to be handled; tell whether the client has kept to the protocol."""
        if self._inbox_bytes > MAX_INBOX and self._worker is not None:
            self._post_waits = True
            await asyncio.wait([self._worker])
            self._post_waits, self._was_held_up = False, True
        return not self.closed or self._farewell not in (None, CLOSE)

    def receive(self, packet: str | bytes) -> None:
        """Take one packet."""
        if self.closed:
            return
        kind = packet[:1] if isinstance(packet, str) else MESSAGE
        if kind == MESSAGE:
            self._take(packet[1:] if isinstance(packet, str) else packet)
        elif kind == PONG:
            self._take_pong()
        elif packet == CLOSE:
            self.close(NORMAL, farewell=NOOP)
        else:
            self.violate()

    def _take_pong(self) -> None:
        """Count the answer to a heartbeat; nobody makes heartbeats come faster by answering twice."""
        if self.pongs < self.pings:
            self.pongs = self.pings
            self._engine.heard(self)

    def may_answer_late(self) -> bool:
        """Tell whether an answer may wait behind what was not read for a while, or still is not."""
        is_late = self._was_held_up or self._reading_paused or self._post_waits
        self._was_held_up = False
        return is_late

    def violate(self) -> None:
        """Close a session whose client does not keep to the protocol."""
        if not self.closed:
            self._engine.count_violation()
            self.close(PROTOCOL_ERROR)

    def _take(self, message: str | bytes) -> None:
        if self._worker is None:
            self._worker = self._begin_work(message)
            return
        if self._inbox is None:
            self._inbox = deque()
        self._inbox.append(message)
        self._inbox_bytes += len(message) + MESSAGE_COST
        if self._inbox_bytes > MAX_INBOX and self._websocket is not None and not self._reading_paused:
            self._reading_paused = True
            self._websocket.transport.pause_reading()

    def _begin_work(self, message: str | bytes) -> asyncio.Task[None] | None:
        """Hand the message on at once, unless this client has had its turn in this tick already."""
        self._handled += 1
        self._flush_soon()  # where the next turn begins
        work = self._work(message)
        if self._handled <= TURN:
            return eager.start(work)
        return asyncio.get_running_loop().create_task(work)

    async def _work(self, message: str | bytes | None) -> None:
        """Hand on the message, and one after the other those that come meanwhile."""
        handled = 0
        try:
            while message is not None and not self.closed:
                await self._engine.owner.take_message(self, message)
                handled += 1
                if handled % TURN == 0:
                    await asyncio.sleep(0)
                message = self._next()
        finally:
            self._worker = self._inbox = None

    def _next(self) -> str | bytes | None:
        """Return the message that came first of those that wait; read on if there is room again."""
        if not self._inbox:
            return None
        message = self._inbox.popleft()
        self._inbox_bytes -= len(message) + MESSAGE_COST
        if self._reading_paused and self._inbox_bytes <= INBOX_LOW and self._websocket is not None:
            self._reading_paused, self._was_held_up = False, True
            self._websocket.transport.resume_reading()
        return message

    # Leaving

    def stop_listening(self) -> None:
        """Take nothing more from the client's WebSocket; what it has said until now is still handled."""
        if self._websocket is not None:
            self._websocket.stop_listening()

    @property
    def is_busy(self) -> bool:
        """Tell whether something from the client is still to be handled, or something for it to leave."""
        return self.is_posting or self._worker is not None or self._backlog() > 0

    # Transports

    @property
    def is_polling(self) -> bool:
        """Tell whether no WebSocket carries the session yet."""
        return self._websocket is None

    def use(self, websocket: WebSocket) -> None:
        """Let the WebSocket carry the session from now on."""
        self._websocket, self._probe = websocket, None
        websocket.user = self
        self._wake_poll()
        self._flush_soon()

    def probe(self, websocket: WebSocket) -> None:
        """Let a WebSocket prove itself; until then polling carries the session."""
        if self.is_polling:
            Probe(self, self._engine, websocket).begin()
        else:
            websocket.close(POLICY)

    def wait_for(self, websocket: WebSocket) -> bool:
        """End the poll for a WebSocket that has begun to prove itself; only one at a time may do that."""
        if self.closed or self._websocket is not None or self._probe is not None:
            return False
        self._probe = websocket
        self._wake_poll()
        return True

    def waits_for(self, websocket: WebSocket) -> bool:
        """Tell whether the WebSocket may carry the session now."""
        return self._probe is websocket

    def is_carried_by(self, websocket: WebSocket) -> bool:
        """Tell whether the WebSocket carries the session."""
        return self._websocket is websocket

    def give_up(self, websocket: WebSocket) -> None:
        """Go on with polling after a WebSocket that did not prove itself."""
        if self._probe is websocket:
            self._probe = None

    def gone(self) -> None:
        """End with the WebSocket that has carried the session."""
        if self._websocket is not None and self._websocket.is_broken:
            self.violate()
        self.close(NORMAL)

    def close(self, code: int, *, farewell: str | None = None) -> None:
        """End the session: nothing more is sent or handed on, and its transport closes.

        A poll that waits is answered with the ``farewell``, or as one of an unknown session.
        """
        if self.closed:
            return
        self.closed = True
        self._farewell = farewell
        self._unsent, self._unsent_bytes = [], 0
        self._inbox, self._inbox_bytes = None, 0
        for websocket in (self._websocket, self._probe):
            if websocket is not None:
                websocket.close(code)
        self._wake_poll()
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._engine.forget(self)
