"""The workload ``slow-reader``: a client that stops reading, and what it costs the others.

Ten clients of a room send at a steady rate; after a sixth of the measured time another one reads no more.
What it leaves unread waits in the server until that has had enough, and closes the connection. The latencies
are those of everybody else, before and after.
"""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks import contest, exchange, table, traffic
from benchmarks.contest import Contest
from benchmarks.contestants import Crowd
from benchmarks.report import Figures

PART_BEFORE = 1 / 6
SENDERS = 10

LINES = [
    table.line("closed after", "s", "closed_after_seconds"),
    table.line("RSS when it stopped", "MB", "rss_at_stop_mb"),
    table.line("RSS at most after that", "MB", "rss_peak_mb"),
    table.line("RSS growth at most", "MB", "rss_growth_mb"),
    table.line("RSS in the end", "MB", "rss_after_mb"),
    table.line("others' delivery p50 before", "ms", "delivery_ms", "p50"),
    table.line("others' delivery p50 after", "ms", "delivery_after_ms", "p50"),
    table.line("others' delivery p99 before", "ms", "delivery_ms", "p99"),
    table.line("others' delivery p99 after", "ms", "delivery_after_ms", "p99"),
    table.line("others' delivery max after", "ms", "delivery_after_ms", "max"),
    table.line("deliveries", "/s", "deliveries_per_second"),
    table.line("server on its core", "%", "server_cpu_percent"),
    table.line("generator on its core", "%", "generator_cpu_percent"),
]


def add_command(workloads: Any) -> None:
    """Add the subcommand."""
    parser = workloads.add_parser("slow-reader", help="a client that stops reading", description=__doc__)
    add = parser.add_argument
    add("--room", type=int, default=100, metavar="N", help="clients in the room (%(default)s)")
    add("--rate", type=float, default=1_000, metavar="N", help="messages per second (%(default)s)")
    add("--durable", action="store_true", help="store each message before it is delivered")
    contest.add_options(parser, warmup=5, seconds=60)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Measure as many rounds as were asked for, and report them."""
    kind = "durable" if arguments.durable else "relayed"
    contest.hold(
        Contest(
            title=f"slow-reader: one of {arguments.room}, {arguments.rate:,g} messages/s, {kind}",
            mode="load",
            # The slow reader comes on top: nobody waits for what it does not read.
            crowd=Crowd(clients=arguments.room - 1, rooms=1),
            arguments={
                **traffic.choose(durable=arguments.durable).arguments(),
                "senders": SENDERS,
                "rate": arguments.rate,
                "stop_reading": arguments.seconds * PART_BEFORE,
            },
            derive=_derive,
            lines=LINES,
            is_durable=arguments.durable,
        ),
        "slow-reader",
        arguments,
    )


def _derive(given: Figures) -> Figures:
    samples = given["rss_samples"]
    stopped = samples[-1][0] * PART_BEFORE
    before = [mb for at, mb in samples if at <= stopped]
    after = [mb for at, mb in samples if at > stopped]
    closed = given["closed_after_seconds"]
    return exchange.derive(given) | {
        "rss_at_stop_mb": before[-1],
        "rss_peak_mb": max(after),
        "rss_growth_mb": max(after) - before[-1],
        "closed_after_seconds": closed if closed >= 0 else None,
    }
