"""The workload ``replay``: clients that come back, and what that costs those who were here.

One client is far behind and gets everything from the log while others hear live messages, at a steady
rate, as they did before it came. Then many clients lose their connections at once, miss some messages
each, and come back in the same moment.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import process, report, setting, table
from benchmarks.failure import BenchmarkFailed
from benchmarks.figures import latency
from benchmarks.process import HOST, Cores, Server
from benchmarks.report import Figures
from benchmarks.returning import Returning

TEXT = "The quick brown fox jumps over the lazy dog, and the lazy dog does not mind it in the least."
BATCH, AT_ONCE = 100, 50
LISTENERS = 20

LINES = [
    table.line("replayed", "events/s", "events_per_second"),
    table.line("server CPU per replayed event", "µs", "server_cpu_us_per_event"),
    table.line("replayed per second of that", "events", "events_per_cpu_second"),
    table.line("RSS growth while replaying", "MB", "replay_rss_growth_mb"),
    table.line("others' delivery p99 before", "ms", "before_ms", "p99"),
    table.line("others' delivery p99 meanwhile", "ms", "meanwhile_ms", "p99"),
    table.line("all back and caught up after", "s", "storm_seconds"),
    table.line("server CPU per client", "µs", "storm_cpu_us_per_client"),
]


def add_command(workloads: Any) -> None:
    """Add the subcommand."""
    parser = workloads.add_parser("replay", help="clients that come back", description=__doc__)
    add = parser.add_argument
    add("--events", type=int, default=100_000, metavar="N", help="that one client missed (%(default)s)")
    add("--rate", type=float, default=200, metavar="N", help="live messages per second (%(default)s)")
    add("--clients", type=int, default=2_000, metavar="N", help="that come back at once (%(default)s)")
    add("--missed", type=int, default=50, metavar="N", help="messages that each missed (%(default)s)")
    add("--rounds", type=int, default=3, metavar="N", help="rounds, each on a new server (%(default)s)")
    add("--json", type=Path, metavar="FILE", help="append the figures to FILE as one line of JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Measure as many rounds as were asked for, and report them."""
    cores = process.choose_cores()
    process.allow_open_files(arguments.clients + 200)
    rounds: list[dict[str, Figures]] = []
    for number in range(1, arguments.rounds + 1):
        rounds.append({"parley": _measure_server(arguments, cores)})
        print(f"round {number}: {table.summary(LINES[0], rounds[-1])}", flush=True)
    table.show(LINES, rounds)
    if arguments.json:
        names = ("events", "rate", "clients", "missed")
        options = {name: getattr(arguments, name) for name in names}
        report.append_json(arguments.json, "replay", options, rounds)


def _measure_server(arguments: argparse.Namespace, cores: Cores) -> Figures:
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as directory:
        data_dir = Path(directory)
        with (
            process.serving(data_dir, cores) as server,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            figures = runner.run(_measure(arguments, server))
        process.check(data_dir)
    return figures


async def _measure(arguments: argparse.Namespace, server: Server) -> Figures:
    old, live, crowded = setting.create_channels(server, 3)
    with contextlib.closing(Speaker(server)) as speaker:
        late = Returning(server)
        await late.connect()
        await late.ask("join", {"channel_id": old})
        late.drop()
        speaker.say(old, arguments.events)
        figures = await _replay(arguments, server, late, live)
        return figures | await _storm(arguments, server, speaker, crowded)


class Speaker:
    """Stores messages through REST."""

    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection(HOST, server.port)
        self._headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def say(self, channel_id: str, count: int, text: str = TEXT) -> None:
        """Store so many messages."""
        message = {"channel_id": channel_id, "author_id": "speaker", "content": text}
        for first in range(0, count, BATCH):
            body = json.dumps({"messages": [message] * min(BATCH, count - first)})
            self._connection.request("POST", "/api/messaging/submit/batch", body, self._headers)
            answer = json.load(self._connection.getresponse())
            if not all(outcome["success"] for outcome in answer["data"]):
                raise BenchmarkFailed("a message could not be stored")


async def _replay(arguments: argparse.Namespace, server: Server, late: Returning, channel_id: str) -> Figures:
    """Bring one client up to date, by itself at first, and once more while others listen."""
    before = server.cpu_seconds(), server.rss_bytes(), time.perf_counter()
    await late.connect()
    await late.have(arguments.events)
    seconds = time.perf_counter() - before[2]
    cpu = max(server.cpu_seconds() - before[0], 0.01)  # the clock's own step
    grown = server.rss_bytes() - before[1]
    late.drop()
    quiet = await _listen(arguments.rate, server, channel_id, None)
    meanwhile = await _listen(arguments.rate, server, channel_id, (late, arguments.events))
    return {
        "events_per_second": arguments.events / seconds,
        "server_cpu_us_per_event": cpu / arguments.events * 1e6,
        "events_per_cpu_second": arguments.events / cpu,
        "replay_rss_growth_mb": grown / 1e6,
        "before_ms": latency(quiet),
        "meanwhile_ms": latency(meanwhile),
    }


async def _listen(
    rate: float, server: Server, channel_id: str, late: tuple[Returning, int] | None
) -> list[float]:
    """Return how long live messages took to each listener, for two seconds or while one client catches up."""
    listeners = [Returning(server) for _ in range(LISTENERS)]
    sender = Returning(server, entityId="sender")
    for client in [*listeners, sender]:
        await client.connect()
        await client.ask("join", {"channel_id": channel_id})
        client.times = []
    ending = asyncio.create_task(_catch_up(server, *late) if late else asyncio.sleep(2))
    sent: list[float] = []
    while not ending.done() or len(sent) < rate:
        sent.append(time.perf_counter())
        await sender.ask("submit", {"channel_id": channel_id, "author_id": "sender", "content": TEXT})
        await asyncio.sleep(max(0.0, sent[-1] + 1 / rate - time.perf_counter()))
    await ending
    for client in listeners:
        await client.have(len(sent))
        client.drop()
    sender.drop()
    return [
        came - begun for client in listeners for begun, came in zip(sent, client.times or (), strict=True)
    ]


async def _catch_up(server: Server, late: Returning, count: int) -> None:
    """Let a client that has nothing catch up with everything, from where the other one began."""
    fresh = Returning(server)
    fresh.pid = late.pid
    await fresh.connect()
    await fresh.have(count)
    fresh.drop()


async def _storm(arguments: argparse.Namespace, server: Server, speaker: Speaker, channel_id: str) -> Figures:
    """Let many clients lose their connections, miss some messages, and come back at once."""
    crowd = [Returning(server, entityId=f"client-{number}") for number in range(arguments.clients)]
    for first in range(0, len(crowd), AT_ONCE):
        some = crowd[first : first + AT_ONCE]
        await asyncio.gather(*(client.connect() for client in some))
        await asyncio.gather(*(client.ask("join", {"channel_id": channel_id}) for client in some))
    for client in crowd:
        client.drop()
    speaker.say(channel_id, arguments.missed)
    cpu, begun = server.cpu_seconds(), time.perf_counter()
    await asyncio.gather(*(_return(client, arguments.missed) for client in crowd))
    seconds = time.perf_counter() - begun
    cpu = server.cpu_seconds() - cpu
    for client in crowd:
        client.drop()
    return {"storm_seconds": seconds, "storm_cpu_us_per_client": cpu / len(crowd) * 1e6}


async def _return(client: Returning, missed: int) -> None:
    await client.connect()
    await client.have(missed)
