"""The workload ``submit``: how many messages one core stores durably, and how long each takes.

Submitters, half of them on REST and half on Socket.IO, send one message at a time to 50 channels.
Each is an author of its own; all use one service key. The clock runs from the first message to the
last acknowledgement. With a rate, latencies count from when a message was due, so that a server that
falls behind cannot hide it.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import process, report, setting, stored
from benchmarks.client import Client, connect
from benchmarks.failure import BenchmarkFailed
from benchmarks.figures import Round, Usage
from benchmarks.http_client import HttpClient
from benchmarks.load import Load, Sample, Submitter
from benchmarks.process import HOST, Cores, Server
from benchmarks.ws_client import WsClient

CHANNELS = 50
CONTENT = "The quick brown fox jumps over the lazy dog, and the lazy dog does not mind it in the least."
CONNECTING_AT_ONCE = 50
OTHER_FILES = 200  # that the server and the generator have open beside their connections


@dataclass(frozen=True, slots=True)
class Options:
    """How heavy the load is, and for how long."""

    rest: int
    sockets: int
    warmup: float
    seconds: float
    rate: float
    with_ids: bool


def add_command(workloads: Any) -> None:
    """Add the subcommand."""
    parser = workloads.add_parser(
        "submit", help="durable messages per second on one core", description=__doc__
    )
    add = parser.add_argument
    add("--rest", type=int, default=500, metavar="N", help="submitters on REST (%(default)s)")
    add("--sockets", type=int, default=500, metavar="N", help="submitters on Socket.IO (%(default)s)")
    add("--warmup", type=float, default=3, metavar="S", help="seconds before the measured time (%(default)s)")
    add("--seconds", type=float, default=10, metavar="S", help="measured time (%(default)s)")
    add("--rounds", type=int, default=3, metavar="N", help="rounds, each on a new server (%(default)s)")
    add("--rate", type=float, default=0, metavar="N", help="messages per second (as many as possible)")
    add("--with-ids", action="store_true", help="give each message a messageId")
    add("--json", type=Path, metavar="FILE", help="append the figures to FILE as one line of JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Measure as many rounds as were asked for, and report them."""
    names = Options.__dataclass_fields__
    options = Options(**{name: value for name, value in vars(arguments).items() if name in names})
    cores = process.choose_cores()
    process.allow_open_files(options.rest + options.sockets + OTHER_FILES)
    rounds = []
    for number in range(1, arguments.rounds + 1):
        rounds.append(_measure_server(options, cores).figures())
        print(f"round {number}: {rounds[-1]['messages_per_second']:,.0f} messages/s", flush=True)
    report.show(rounds)
    if arguments.json:
        report.append_json(arguments.json, "submit", asdict(options), rounds)


def _measure_server(options: Options, cores: Cores) -> Round:
    """Measure a new server, then verify what it stored."""
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as directory:
        data_dir = Path(directory)
        with (
            process.serving(data_dir, cores) as server,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            measured, acknowledged = runner.run(_measure(options, server, cores))
        stored.verify(data_dir, acknowledged)
    return measured


async def _measure(options: Options, server: Server, cores: Cores) -> tuple[Round, Counter[str]]:
    """Run the load twice, to warm up and to measure; return how much each author got acknowledged, too."""
    load = await _connect_all(options, server)
    try:
        rss_before = server.rss_bytes()
        await load.run(options.warmup)
        sample, usage = await _observe(load, options.seconds, server, cores)
        acknowledged = load.counts()
        return Round(sample, usage, rss_before, server.rss_bytes(), acknowledged.total()), acknowledged
    finally:
        load.close()


async def _observe(load: Load, seconds: float, server: Server, cores: Cores) -> tuple[Sample, Usage]:
    def clocks() -> tuple[float, float, float]:
        return server.cpu_seconds(), time.process_time(), process.busy_seconds(cores.server)

    before = clocks()
    sample = await load.run(seconds)
    own, generator, all_together = (end - begin for begin, end in zip(before, clocks(), strict=True))
    return sample, Usage(own, generator, max(0.0, all_together - own))


async def _connect_all(options: Options, server: Server) -> Load:
    """Open every connection, each with an author who talks in one of the channels."""
    channels = itertools.cycle(setting.create_channels(server, CHANNELS))
    load = Load(options.rate)
    doors = ["rest"] * options.rest + ["socket"] * options.sockets
    for first in range(0, len(doors), CONNECTING_AT_ONCE):
        opening = []
        for number, door in enumerate(doors[first : first + CONNECTING_AT_ONCE], first):
            author_id = f"author-{number}"
            submitter = Submitter(
                load, author_id, _body(next(channels), author_id), with_ids=options.with_ids
            )
            client = _client(door, submitter, server)
            load.add(submitter, client)
            opening.append(connect(client, HOST, server.port))
        await _all_open(opening)
    return load


def _client(door: str, submitter: Submitter, server: Server) -> Client:
    if door == "rest":
        return HttpClient(submitter, server.address, server.key)
    return WsClient(submitter, server.address, server.key, setting.SERVER_ID)


async def _all_open(opening: list[Any]) -> None:
    try:
        await asyncio.gather(*opening)
    except OSError as error:
        raise BenchmarkFailed(f"a submitter could not connect: {error}") from error


def _body(channel_id: str, author_id: str) -> bytes:
    body = {"channel_id": channel_id, "author_id": author_id, "content": CONTENT}
    return json.dumps(body, separators=(",", ":")).encode()
