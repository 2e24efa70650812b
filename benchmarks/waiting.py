"""The workload ``waiting``: clients whose request waits, and how much memory each of them takes.

Each is another user with a token and a connection of its own. What is waited for never comes: an answer
of the agent, or an event. An idle Socket.IO connection stands beside them. Each way has a new server, which
has served a few such clients before, and so many messages that what it keeps of them is at its bound.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

from benchmarks import process, report, setting, table, users
from benchmarks.client import Client, connect
from benchmarks.failure import BenchmarkFailed
from benchmarks.process import HOST, Cores, Server
from benchmarks.replay import TEXT, Speaker
from benchmarks.report import Figures
from benchmarks.users import SESSIONS, User
from benchmarks.ws_client import WsClient

AT_ONCE, EACH_SECONDS = 50, 0.5
OTHER_FILES = 200
WARMING = 100  # clients that come and go before
FILLING = 4_000  # messages
SETTLE_SECONDS = 3.0


class Way(NamedTuple):
    """A request that waits: what is sent, and whether its answer begins at once."""

    method: str
    path: str
    body: str = ""
    is_streamed: bool = False


_SAY = '{"content":"hello","transport":"%s"}'
WAYS = {
    "socket": None,
    "poll": Way("GET", "/api/messaging/events?wait=55"),
    "stream": Way("GET", "/api/messaging/events", is_streamed=True),
    "http": Way("POST", f"{SESSIONS}/{{session_id}}/messages?wait=55", _SAY % "http"),
    "sse": Way("POST", f"{SESSIONS}/{{session_id}}/messages", _SAY % "sse", is_streamed=True),
}


def add_command(workloads: Any) -> None:
    """Add the subcommand."""
    parser = workloads.add_parser("waiting", help="memory of clients that wait", description=__doc__)
    add = parser.add_argument
    add("--clients", type=int, default=1_000, metavar="N", help="of each kind (%(default)s)")
    add("--way", action="append", choices=list(WAYS), default=[], help="how they wait (each)")
    add("--rounds", type=int, default=3, metavar="N", help="rounds, each on new servers (%(default)s)")
    add("--json", type=Path, metavar="FILE", help="append the figures to FILE as one line of JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Measure as many rounds as were asked for, and report them."""
    cores = process.choose_cores()
    process.allow_open_files(arguments.clients + WARMING + OTHER_FILES)
    names = arguments.way or list(WAYS)
    lines = [table.line(f"RSS per client, {name}", "KB", name) for name in names]
    rounds: list[dict[str, Figures]] = []
    for number in range(1, arguments.rounds + 1):
        figures = {name: _measure_server(WAYS[name], arguments.clients, cores) for name in names}
        rounds.append({"parley": figures})
        print(
            f"round {number}: " + ", ".join(f"{name} {kb:.1f} KB" for name, kb in figures.items()), flush=True
        )
    table.show(lines, rounds)
    if arguments.json:
        report.append_json(arguments.json, "waiting", {"clients": arguments.clients}, rounds)


def _measure_server(way: Way | None, count: int, cores: Cores) -> float:
    """Return how many KB each client takes."""
    secret = secrets.token_hex(32)
    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as directory,
        process.serving(Path(directory), cores, PARLEY_JWT_SECRET=secret) as server,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(_measure(way, count, server, secret))


async def _measure(way: Way | None, count: int, server: Server, secret: str) -> float:
    with contextlib.closing(Speaker(server)) as speaker:
        speaker.say(setting.create_channels(server, 1)[0], FILLING, TEXT * 30)
    found = await users.begin_sessions(server, count + WARMING, secret)
    for client in await _begin_to_wait(way, server, found[:WARMING]):
        client.close()
    await asyncio.sleep(SETTLE_SECONDS)
    before = server.rss_bytes()
    clients = await _begin_to_wait(way, server, found[WARMING:])
    await asyncio.sleep(SETTLE_SECONDS)
    taken = server.rss_bytes() - before
    for client in clients:
        client.close()
    return taken / count / 1e3


async def _begin_to_wait(way: Way | None, server: Server, found: Sequence[User]) -> list[Client]:
    clients: list[Client] = []
    for first in range(0, len(found), AT_ONCE):
        some = [_client(way, server, user) for user in found[first : first + AT_ONCE]]
        try:
            await asyncio.gather(*(connect(client, HOST, server.port) for client in some))
        except OSError as error:
            raise BenchmarkFailed(f"a client could not wait: {error}") from error
        clients += some
        # What is measured is waiting: a thousand requests at the same moment are another matter.
        await asyncio.sleep(EACH_SECONDS)
    return clients


def _client(way: Way | None, server: Server, user: User) -> Client:
    if way is None:
        return WsClient(Quiet(), server.address, user.token, setting.SERVER_ID)
    return Waiter(Quiet(), way, server.address, user)


class Quiet:
    """Whoever expects nothing."""

    def answered(self, _client: Client, answer: bytes) -> None:
        """Fail: nothing was asked that can be answered."""
        raise BenchmarkFailed(f"answered {answer[:300]!r}")

    def failed(self, _client: Client, reason: str) -> None:
        """Fail: a client that is gone does not wait."""
        raise BenchmarkFailed(reason)


class Waiter(Client):
    """One request, whose answer does not come, or has begun and does not go on."""

    door = "REST"

    def __init__(self, listener: Quiet, way: Way, host: str, user: User) -> None:
        super().__init__(listener)
        self._way = way
        path = way.path.format(session_id=user.session_id)
        self._request = (
            f"{way.method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {user.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(way.body)}\r\n\r\n{way.body}"
        ).encode()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        super().connection_made(transport)
        self.transport.write(self._request)
        if not self._way.is_streamed:
            self.ready.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Take the beginning of a stream; an answer that comes to its end is a failure."""
        has_begun = self._way.is_streamed and (self.ready.done() or data.startswith(b"HTTP/1.1 200"))
        if not has_begun or b"event: done" in data or b"event: error" in data:
            self.fail(f"answered {data[:300]!r}")
        elif not self.ready.done():
            self.ready.set_result(None)
