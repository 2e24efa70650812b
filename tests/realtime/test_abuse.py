"""Whatever is done to the server's port, and wherever it breaks off, nothing of it remains."""

import asyncio
import itertools
import os
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import orjson
import pytest

from rooms.principals import Kind
from server import connections
from server import polling as requests
from server import probe as upgrades
from server.engine import Engine
from server.sockets import SocketServer
from tests.realtime.raw import (
    BINARY,
    CLOSE,
    PING,
    TEXT,
    RawSocket,
    frame,
    handshake,
    held_by,
    raw_connection,
    raw_websocket,
    text,
    until,
)
from tests.running import Parley, Start
from tests.talking import NATIVE

CONNECTIONS = 10_000 if os.environ.get("PARLEY_TEST_LONG") else 1_000
AT_ONCE = 100

Step = tuple[bytes, bytes]  # what is sent, and what must have come before the next step

SID = b"SID"  # stands for the id of a polling session
HTTP = b" HTTP/1.1\r\nHost: localhost\r\n"
SESSION = b"/socket.io/?EIO=4&transport=polling&sid=" + SID
OPEN: Step = (handshake(), b'0{"sid"')
ASKED: Step = (text(f'42{NATIVE},1["settle"]') * 50, f"43{NATIVE},1[".encode())
PROBE: Step = (handshake("EIO=4&transport=websocket&sid=SID"), b"\r\n\r\n")
NOTHING = b""


def abuses(secret: str) -> dict[str, list[Step]]:
    """Return what may be done with the port; some of it with a good credential."""
    join: Step = (text(f'40{NATIVE},{{"token":"{secret}"}}'), b'["ready"')
    return {
        "silence": [(b"", NOTHING)],
        "garbage": [(b"\x16\x03\x01\x02\x00\x01\x00" * 10, NOTHING)],
        "zeros": [(b"\x00" * 100, NOTHING)],
        "a long head": [(b"GET /" + b"x" * 20_000 + HTTP + b"\r\n", NOTHING)],
        "many headers": [(b"GET /" + HTTP + b"A: b\r\n" * 1_000 + b"\r\n", NOTHING)],
        "half a head": [(handshake()[:-3], NOTHING)],
        "no session": [(b"GET " + SESSION + HTTP + b"\r\n", b"HTTP/1.1 ")],
        "a session and no more": [(b"GET /socket.io/?EIO=4&transport=polling" + HTTP + b"\r\n", b'0{"sid"')],
        "a poll": [(b"GET " + SESSION + HTTP + b"\r\n", NOTHING)],
        "two polls": [(b"GET " + SESSION + HTTP + b"\r\n", NOTHING)] * 2,
        "half a payload": [(b"POST " + SESSION + HTTP + b"Content-Length: 99\r\n\r\n4x", NOTHING)],
        "half a chunk": [
            (b"POST " + SESSION + HTTP + b"Transfer-Encoding: chunked\r\n\r\nff\r\n4x", NOTHING)
        ],
        "a long payload": [
            (b"POST " + SESSION + HTTP + b"Content-Length: 99999999\r\n\r\n" + b"x" * 9_000, b"HTTP/1.1 413")
        ],
        "a bad payload": [(b"POST " + SESSION + HTTP + b"Content-Length: 3\r\n\r\nabc", b"HTTP/1.1 400")],
        "never a namespace": [OPEN],
        "a namespace that is refused": [OPEN, (text(f'40{NATIVE},{{"token":"wrong"}}'), b"44/servers")],
        "a namespace and no answer to heartbeats": [OPEN, join],
        "events": [OPEN, join, ASKED],
        "goodbye": [OPEN, join, (text("1"), NOTHING)],
        "a close": [OPEN, join, (frame(CLOSE, b"\x03\xe8"), NOTHING)],
        "another namespace and back": [OPEN, join, (text(f"41{NATIVE},") + text("40"), b"44")],
        "no mask": [OPEN, (frame(TEXT, b"4x", masked=False), NOTHING)],
        "no packet": [OPEN, (text("garbage"), NOTHING)],
        "attachments that never come": [OPEN, join, (text(f'4510-{NATIVE},["x"]'), NOTHING)],
        "attachments that stop": [OPEN, (text('4510-["x"]') + frame(BINARY, b"x" * 9_000) * 3, NOTHING)],
        "a fragment": [OPEN, join, (frame(TEXT, b"4" * 9_000, final=False), NOTHING)],
        "a flood of pings": [OPEN, (frame(PING, b"x" * 125) * 500, NOTHING)],
        "too long a frame": [OPEN, (b"\x81\xff" + (2**40).to_bytes(8) + b"mask", NOTHING)],
        "a probe": [PROBE],
        "a probe that is answered": [PROBE, (text("2probe"), b"3probe")],
        "a probe that is none": [PROBE, (text("4x"), NOTHING)],
        "an upgrade": [PROBE, (text("2probe"), b"3probe"), (text("5"), NOTHING), join, ASKED],
    }


@dataclass(frozen=True)
class Attempt:
    """One abusive connection: how many of its steps it takes, and how it takes the last one."""

    steps: list[Step]
    manner: str

    async def make(self, parley: Parley, connection: RawSocket) -> None:
        """Take the steps."""
        for data, answer in self.steps[:-1]:
            await self._send(parley, connection, data)
            await came(connection, answer)
        data, answer = self.steps[-1]
        await self._send(parley, connection, data)
        if self.manner == "answered":
            await came(connection, answer)

    async def _send(self, parley: Parley, connection: RawSocket, data: bytes) -> None:
        is_last = data is self.steps[-1][0]
        if SID in data:
            data = data.replace(SID, (await open_session(parley)).encode())
        if self.manner == "half" and is_last:
            data = data[: len(data) // 2]
        pieces = range(0, len(data), max(1, len(data) // 9)) if self.manner == "slow" else [0]
        for begin, end in itertools.pairwise([*pieces, len(data)]):
            connection.send(data[begin:end])
            await asyncio.sleep(0)


MANNERS = ("at once", "answered", "half", "slow")


def attempts_with(secret: str) -> list[Attempt]:
    """Return each abuse, broken off after each of its steps, in each manner."""
    return [
        Attempt(steps[:count], manner)
        for steps in abuses(secret).values()
        for count in range(1, len(steps) + 1)
        for manner in MANNERS
    ]


async def came(connection: RawSocket, answer: bytes) -> None:
    """Wait for an answer, or for the end."""
    await until(lambda: connection.is_over or answer in connection.received)


async def open_session(parley: Parley) -> str:
    """Open a polling session over a connection of its own, and return its id."""
    async with raw_connection(parley) as connection:
        connection.send(b"GET /socket.io/?EIO=4&transport=polling" + HTTP + b"Connection: close\r\n\r\n")
        await connection.over()
        sid: str = orjson.loads(connection.received.partition(b"\r\n\r\n0")[2])["sid"]
        return sid


def open_files() -> int:
    """Count this process's file descriptors: the server's, and those of its clients here."""
    return len(os.listdir("/dev/fd"))


class Remains:
    """What the server holds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._owner = owner(engine)
        self._tasks, self._files = len(asyncio.all_tasks()), open_files()

    async def vanish(self) -> None:
        """Wait until nothing is left beyond what there was in the beginning."""
        admissions = self._owner.admissions
        await until(lambda: not self._engine.sockets)
        await until(lambda: not (self._engine._pings._queue or self._engine._pongs._queue))
        await until(lambda: not (self._engine.probing or self._owner._owing._queue))
        await until(lambda: len(asyncio.all_tasks()) <= self._tasks)
        await until(lambda: open_files() <= self._files)
        assert held_by(admissions) == []


@pytest.fixture
def _quick(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait for long deadlines."""
    monkeypatch.setattr(upgrades, "PROBE_SECONDS", 0.3)
    monkeypatch.setattr(requests, "BODY_SECONDS", 0.3)
    monkeypatch.setattr(owner(engine)._owing, "_delay", 0.3)


@pytest.fixture
async def parley(start: Start, monkeypatch: pytest.MonkeyPatch) -> Parley:
    """Run a node with short heartbeats, and as short a patience with those who ask for nothing."""
    for name in ("HEAD_SECONDS", "IDLE_SECONDS", "LINGER_SECONDS"):
        monkeypatch.setattr(connections, name, 1.0)
    return await start(ping_interval=0.2, ping_timeout=1)


async def storm(parley: Parley, attempts: Iterator[Attempt], count: int) -> None:
    """Make so many attempts, a hundred at a time, and break each off."""
    for _ in range(0, count, AT_ONCE):
        async with AsyncExitStack() as stack:
            opened = [await stack.enter_async_context(raw_connection(parley)) for _ in range(AT_ONCE)]
            making = [next(attempts).make(parley, connection) for connection in opened]
            await asyncio.gather(*making)


@pytest.mark.usefixtures("_quick")
async def test_nothing_remains_of_abusive_connections(parley: Parley, engine: Engine) -> None:
    """However a thousand clients break off, sessions, tasks, timers and files are as before."""
    secret = await parley.key(Kind.USER, "ann")
    await parley.service.new_channel("talk", "ann")
    attempts = attempts_with(secret)
    await asyncio.gather(*(parley.user(f"user-{n}") for n in range(20)))  # every thread has its files
    remains = Remains(engine)
    await storm(parley, itertools.cycle(attempts), max(CONNECTIONS, len(attempts)))
    await remains.vanish()
    async with raw_websocket(parley) as socket:
        await socket.join(secret)
        await socket.settle()


@pytest.mark.usefixtures("_quick")
async def test_clients_that_never_let_go_are_let_go(parley: Parley, engine: Engine) -> None:
    """Where the client does not break off, the server does: nobody holds a connection for nothing."""
    secret = await parley.key(Kind.USER, "ann")
    attempts = attempts_with(secret)
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(raw_connection(parley)) for _ in attempts]
        await asyncio.gather(
            *(attempt.make(parley, connection) for attempt, connection in zip(attempts, opened, strict=True))
        )
        for connection in opened:
            await connection.over()
    assert engine.sockets == {}


def owner(engine: Engine) -> SocketServer:
    """Return the Socket.IO server of an engine."""
    found = engine.owner
    assert isinstance(found, SocketServer)
    return found
