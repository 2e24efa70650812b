"""The workload ``fanout``: one room, in which one client sends, or everybody does, and all others receive.

Relayed are Parley's ``typing`` events, which nobody stores; with ``--durable`` messages of some 200 bytes,
which Parley stores before anybody gets them. A message is finished when it is acknowledged and everybody
has it; a sender has ``--in-flight`` of them under way.
"""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks import contest, exchange, traffic
from benchmarks.contest import Contest, describe
from benchmarks.contestants import Crowd


def add_command(workloads: Any) -> None:
    """Add the subcommand."""
    parser = workloads.add_parser("fanout", help="one room with many receivers", description=__doc__)
    add = parser.add_argument
    add("--receivers", type=int, default=100, metavar="N", help="clients beside the sender (%(default)s)")
    add("--in-flight", type=int, default=1, metavar="N", help="unfinished messages of a sender (%(default)s)")
    add("--durable", action="store_true", help="store each message before it is delivered")
    add("--all-send", action="store_true", help="let the receivers send, too")
    contest.add_options(parser, warmup=5, seconds=5)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Measure as many rounds as were asked for, and report them."""
    kind = "durable" if arguments.durable else "relayed"
    senders = "all send" if arguments.all_send else "one sends"
    contest.hold(
        Contest(
            title=f"fanout: {describe(arguments.receivers, 'receiver')}, {senders}, "
            f"{describe(arguments.in_flight, 'message')} in flight, {kind}",
            mode="load",
            crowd=Crowd(clients=arguments.receivers + 1, rooms=1),
            arguments={
                **traffic.choose(durable=arguments.durable).arguments(),
                "senders": 0 if arguments.all_send else 1,
                "in_flight": arguments.in_flight,
            },
            derive=exchange.derive,
            lines=exchange.LINES,
            is_durable=arguments.durable,
        ),
        "fanout",
        arguments,
    )
