"""The workload ``memory``: a million messages, and what the server's memory does meanwhile.

Rooms of two, in which everybody sends the next message when the last one is finished. A server that keeps
nothing of a message grows while it warms up, and then no more.
"""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks import contest, exchange, table, traffic
from benchmarks.contest import Contest
from benchmarks.contestants import Crowd
from benchmarks.report import Figures

ROOMS = 50

LINES = [
    table.line("RSS growth after the warm-up", "MB", "rss_growth_mb"),
    table.line("RSS growth in the second half", "MB", "rss_late_growth_mb"),
    table.line("RSS after the warm-up", "MB", "rss_warm_mb"),
    table.line("RSS in the end", "MB", "rss_after_mb"),
    table.line("messages", "/s", "messages_per_second"),
    table.line("server CPU per message", "µs", "server_cpu_us_per_message"),
    table.line("generator on its core", "%", "generator_cpu_percent"),
]


def add_command(workloads: Any) -> None:
    """Add the subcommand."""
    parser = workloads.add_parser("memory", help="memory over a million messages", description=__doc__)
    add = parser.add_argument
    add("--messages", type=int, default=1_000_000, metavar="N", help="measured messages (%(default)s)")
    add("--sample-every", type=int, default=50_000, metavar="N", help="between two samples (%(default)s)")
    add("--durable", action="store_true", help="store each message before it is delivered")
    contest.add_options(parser, warmup=5)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Measure as many rounds as were asked for, and report them."""
    kind = "durable" if arguments.durable else "relayed"
    contest.hold(
        Contest(
            title=f"memory: {arguments.messages:,} messages, {ROOMS} rooms of two, {kind}",
            mode="load",
            crowd=Crowd(clients=2 * ROOMS, rooms=ROOMS),
            arguments={
                **traffic.choose(durable=arguments.durable).arguments(),
                "total": arguments.messages,
                "sample_every": arguments.sample_every,
            },
            derive=_derive,
            lines=LINES,
            is_durable=arguments.durable,
        ),
        "memory",
        arguments,
    )


def _derive(given: Figures) -> Figures:
    samples = given["rss_samples"]
    half = next(mb for done, mb in samples if done >= samples[-1][0] / 2)
    return exchange.derive(given) | {
        "rss_growth_mb": given["rss_after_mb"] - given["rss_warm_mb"],
        "rss_late_growth_mb": given["rss_after_mb"] - half,
    }
