"""The workload ``connects``: clients that connect, are admitted to a namespace, and leave, again and again.

Each shows a token (a JWT) of its own, which the server verifies. A connection counts when the server has
accepted it; it then ends as a browser ends one, with a close frame.
"""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks import contest, table
from benchmarks.contest import Contest
from benchmarks.contestants import Crowd
from benchmarks.report import Figures

LINES = [
    table.line("connects", "/s", "connects_per_second"),
    table.line("server CPU per connect", "µs", "server_cpu_us_per_connect"),
    *table.latency("admitted after", "connect_ms"),
    table.line("server on its core", "%", "server_cpu_percent"),
    table.line("others on the server's core", "%", "others_cpu_percent"),
    table.line("generator on its core", "%", "generator_cpu_percent"),
    table.line("RSS before", "MB", "rss_before_mb"),
    table.line("RSS after", "MB", "rss_after_mb"),
]


def add_command(workloads: Any) -> None:
    """Add the subcommand."""
    parser = workloads.add_parser("connects", help="authenticated connects per second", description=__doc__)
    add = parser.add_argument
    add("--total", type=int, default=8_000, metavar="N", help="measured connections (%(default)s)")
    add("--parallel", type=int, default=50, metavar="N", help="connections at a time (%(default)s)")
    contest.add_options(parser, warmup=5)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Measure as many rounds as were asked for, and report them."""
    contest.hold(
        Contest(
            title=f"connects: {arguments.total:,} connections, {arguments.parallel} at a time, with tokens",
            mode="connects",
            crowd=Crowd(clients=arguments.total, with_tokens=True),
            arguments={
                "clients": arguments.parallel,
                "parallel": arguments.parallel,
                "total": arguments.total,
            },
            derive=_derive,
            lines=LINES,
        ),
        "connects",
        arguments,
    )


def _derive(given: Figures) -> Figures:
    count = given["connections"]
    return {
        "connects_per_second": count / given["seconds"],
        "server_cpu_us_per_connect": given["server_cpu_seconds"] / count * 1e6,
        "connect_ms": given["connect_ms"],
        "rss_before_mb": given["rss_before_mb"],
        "rss_after_mb": given["rss_after_mb"],
        **contest.usage(given),
    }
