"""The workload ``idle``: connections that say nothing, and what each of them costs.

Each client is a user with a token of its own, who joins a room of ten. The measured time is longer than the
servers' interval between two heartbeats, so that each connection has one.
"""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks import contest, table
from benchmarks.contest import Contest, describe
from benchmarks.contestants import Crowd
from benchmarks.report import Figures

ROOM_SIZE = 10

LINES = [
    table.line("RSS per connection", "KB", "rss_kb_per_connection"),
    table.line("RSS before", "MB", "rss_before_mb"),
    table.line("RSS with all connected", "MB", "rss_after_mb"),
    table.line("idle server on its core", "%", "server_cpu_percent"),
    table.line("connects", "/s", "connects_per_second"),
    table.line("server CPU per connect", "µs", "server_cpu_us_per_connect"),
]


def add_command(workloads: Any) -> None:
    """Add the subcommand."""
    parser = workloads.add_parser("idle", help="memory per connection", description=__doc__)
    add = parser.add_argument
    add("--connections", type=int, default=5_000, metavar="N", help="in tens (%(default)s)")
    contest.add_options(parser, warmup=0, seconds=30)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Measure as many rounds as were asked for, and report them."""
    rooms = max(1, arguments.connections // ROOM_SIZE)
    contest.hold(
        Contest(
            title=f"idle: {describe(arguments.connections, 'connection')}",
            mode="idle",
            crowd=Crowd(clients=rooms * ROOM_SIZE, rooms=rooms, with_tokens=True),
            arguments={},
            derive=_derive,
            lines=LINES,
        ),
        "idle",
        arguments,
    )


def _derive(given: Figures) -> Figures:
    count = given["connections"]
    return {
        "connections": count,
        "connects_per_second": count / given["connecting_seconds"],
        "server_cpu_us_per_connect": given["connecting_cpu_seconds"] / count * 1e6,
        "rss_before_mb": given["rss_before_mb"],
        "rss_after_mb": given["rss_after_mb"],
        "rss_kb_per_connection": (given["rss_after_mb"] - given["rss_before_mb"]) * 1e3 / count,
        **contest.usage(given),
    }
