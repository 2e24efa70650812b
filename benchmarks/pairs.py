"""The workloads ``pairs`` and ``steady``: many rooms of two, in which everybody talks.

In ``pairs`` each sends the next message when the last one is finished, and so all go as fast as the server
does. In ``steady`` they keep to a rate together, far below what the server can do, and latencies count from
when a message was due. Relayed are Parley's ``typing`` events, which nobody stores; with ``--durable``
messages of some 200 bytes, which Parley stores before anybody gets them.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from benchmarks import contest, exchange, traffic
from benchmarks.contest import Contest
from benchmarks.contestants import Crowd

ROOMS = 500
STEADY_RATE = 1_000  # messages per second


def add_command(workloads: Any) -> None:
    """Add the subcommands."""
    for name, rate, about in (
        ("pairs", 0, "rooms of two, everybody sends"),
        ("steady", STEADY_RATE, "rooms of two at a steady rate: latency"),
    ):
        parser = workloads.add_parser(name, help=about, description=__doc__)
        add = parser.add_argument
        add("--rooms", type=int, default=ROOMS, metavar="N", help="rooms of two (%(default)s)")
        add("--durable", action="store_true", help="store each message before it is delivered")
        told = f"messages per second ({rate or 'as many as possible'})"
        add("--rate", type=float, default=rate, metavar="N", help=told)
        contest.add_options(parser, warmup=5, seconds=5)
        parser.set_defaults(run=partial(run, name))


def run(workload: str, arguments: argparse.Namespace) -> None:
    """Measure as many rounds as were asked for, and report them."""
    kind = "durable" if arguments.durable else "relayed"
    pace = f"{arguments.rate:,g} messages/s" if arguments.rate else "one message in flight each"
    contest.hold(
        Contest(
            title=f"{workload}: {arguments.rooms:,} rooms of two, all send, {pace}, {kind}",
            mode="load",
            crowd=Crowd(clients=2 * arguments.rooms, rooms=arguments.rooms),
            arguments={**traffic.choose(durable=arguments.durable).arguments(), "rate": arguments.rate},
            derive=exchange.derive,
            lines=exchange.LINES,
            is_durable=arguments.durable,
        ),
        workload,
        arguments,
    )
