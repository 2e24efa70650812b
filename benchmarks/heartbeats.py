"""The workload ``heartbeats``: sessions that are kept alive, and how much of a core that takes.

Each session is another user's, who has a token and a connection of its own: over REST one that is kept
open, over Socket.IO one that answers the server's pings as well. Each sends a heartbeat every 25 seconds;
together they are spread evenly over that time.
"""

from __future__ import annotations

import argparse
import asyncio
import enum
import secrets
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import process, report, setting, table, users
from benchmarks.client import Client, connect
from benchmarks.failure import BenchmarkFailed
from benchmarks.figures import latency
from benchmarks.http_client import HttpClient
from benchmarks.process import HOST, Cores, Server
from benchmarks.report import Figures
from benchmarks.users import SESSIONS, User
from benchmarks.ws_client import WsClient

OTHER_FILES = 200
EXPECTED = b'"renewalCount":'

LINES = [
    table.line("server on its core", "%", "server_cpu_percent"),
    table.line("server CPU per heartbeat", "µs", "server_cpu_us_per_heartbeat"),
    table.line("heartbeats", "/s", "heartbeats_per_second"),
    *table.latency("answer", "latency_ms")[:3],
    table.line("RSS with all connected", "MB", "rss_mb"),
    table.line("others on the server's core", "%", "others_cpu_percent"),
    table.line("generator on its core", "%", "generator_cpu_percent"),
]


class Door(enum.StrEnum):
    """How heartbeats are sent."""

    REST = "rest"
    SOCKETS = "sockets"


def add_command(workloads: Any) -> None:
    """Add the subcommand."""
    parser = workloads.add_parser("heartbeats", help="sessions that are kept alive", description=__doc__)
    add = parser.add_argument
    add("--sessions", type=int, default=10_000, metavar="N", help="how many there are (%(default)s)")
    add("--every", type=float, default=25, metavar="S", help="seconds between two of one (%(default)s)")
    add("--door", type=Door, choices=list(Door), default=Door.REST, help="how they are sent (%(default)s)")
    add("--warmup", type=float, default=25, metavar="S", help="seconds before measuring (%(default)s)")
    add("--seconds", type=float, default=50, metavar="S", help="measured time (%(default)s)")
    add("--rounds", type=int, default=3, metavar="N", help="rounds, each on a new server (%(default)s)")
    add("--json", type=Path, metavar="FILE", help="append the figures to FILE as one line of JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Measure as many rounds as were asked for, and report them."""
    cores = process.choose_cores()
    process.allow_open_files(arguments.sessions + OTHER_FILES)
    rounds: list[dict[str, Figures]] = []
    for number in range(1, arguments.rounds + 1):
        rounds.append({"parley": _measure_server(arguments, cores)})
        print(f"round {number}: {table.summary(LINES[0], rounds[-1])}", flush=True)
    table.show(LINES, rounds)
    print("every heartbeat was answered with the session that it keeps alive")
    if arguments.json:
        names = ("sessions", "every", "door", "warmup", "seconds")
        options = {name: getattr(arguments, name) for name in names}
        report.append_json(arguments.json, "heartbeats", options, rounds)


def _measure_server(arguments: argparse.Namespace, cores: Cores) -> Figures:
    secret = secrets.token_hex(32)
    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as directory,
        process.serving(Path(directory), cores, PARLEY_JWT_SECRET=secret) as server,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(_measure(arguments, server, cores, secret))


async def _measure(arguments: argparse.Namespace, server: Server, cores: Cores, secret: str) -> Figures:
    found = await users.begin_sessions(server, arguments.sessions, secret)
    hearts = [Heart(server, Door(arguments.door), user, arguments.every) for user in found]
    try:
        began = time.perf_counter()
        for number, heart in enumerate(hearts):
            heart.begin(began + arguments.every * number / len(hearts))
        await asyncio.sleep(arguments.warmup)
        return await _observe(hearts, arguments.seconds, server, cores)
    finally:
        for heart in hearts:
            heart.stop()


async def _observe(hearts: list[Heart], seconds: float, server: Server, cores: Cores) -> Figures:
    def clocks() -> tuple[float, float, float, float]:
        return (
            time.perf_counter(),
            server.cpu_seconds(),
            time.process_time(),
            process.busy_seconds(cores.server),
        )

    for heart in hearts:
        heart.times = []
    before = clocks()
    await asyncio.sleep(seconds)
    took, own, generator, busy = (end - begin for begin, end in zip(before, clocks(), strict=True))
    times = [one for heart in hearts for one in heart.times]
    if failure := next((heart.failure for heart in hearts if heart.failure), None):
        raise BenchmarkFailed(failure)
    return {
        "server_cpu_percent": own / took * 100,
        "server_cpu_us_per_heartbeat": own / len(times) * 1e6,
        "heartbeats_per_second": len(times) / took,
        "latency_ms": latency(times),
        "rss_mb": server.rss_bytes() / 1e6,
        "others_cpu_percent": max(0.0, busy - own) / took * 100,
        "generator_cpu_percent": generator / took * 100,
    }


class Heart:
    """Connects with the first heartbeat of a session, and sends each when it is due."""

    def __init__(self, server: Server, door: Door, user: User, every: float) -> None:
        self.times: list[float] = []
        self.failure: str | None = None
        self._server = server
        self._every = every
        self._due = 0.0
        self._is_answered = True
        self._timer: asyncio.TimerHandle | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._body = b""
        self._client: Client
        if door is Door.REST:
            path = f"{SESSIONS}/{user.session_id}/heartbeat"
            self._client = HttpClient(self, server.address, user.token, path)
        else:
            self._body = b'{"session_id":"%b"}' % user.session_id.encode()
            self._client = WsClient(self, server.address, user.token, setting.SERVER_ID, "heartbeat")

    def begin(self, due: float) -> None:
        """Send the first heartbeat when it is due, and all others after that."""
        self._due = due
        self._timer = asyncio.get_running_loop().call_later(max(0.0, due - time.perf_counter()), self._start)

    def _start(self) -> None:
        self._connecting = asyncio.create_task(self._connect())

    async def _connect(self) -> None:
        try:
            await connect(self._client, HOST, self._server.port)
        except OSError as error:
            self.failed(self._client, f"no connection: {error}")
        else:
            self._beat()

    def _beat(self) -> None:
        if not self._is_answered:
            self.failed(self._client, "a heartbeat was not answered before the next one was due")
        if self.failure is None:
            self._is_answered = False
            self._client.submit(self._body)
            self._due += self._every
            wait = max(0.0, self._due - time.perf_counter())
            self._timer = asyncio.get_running_loop().call_later(wait, self._beat)

    def answered(self, client: Client, answer: bytes) -> None:
        """Note how long it took since the heartbeat was due."""
        self._is_answered = True
        self.times.append(time.perf_counter() - (self._due - self._every))
        if EXPECTED not in answer:
            self.failed(client, f"answered {answer[:300]!r}")

    def failed(self, _client: Client, reason: str) -> None:
        """Keep why this session is not kept alive."""
        self.failure = self.failure or reason

    def stop(self) -> None:
        """Send no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
        self._client.close()
