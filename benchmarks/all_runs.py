"""The command ``all``: every run behind docs/performance.md, one after the other, into one file."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.contestants import PEER_NAMES

RUNS = (
    "fanout --receivers 100",
    "fanout --receivers 100 --in-flight 16",
    "fanout --receivers 1000 --in-flight 16",
    "fanout --receivers 100 --all-send",
    "fanout --receivers 100 --in-flight 16 --durable",
    "pairs",
    "pairs --durable",
    "steady",
    "steady --durable",
    "idle",
    "connects",
    "slow-reader --durable",
    "memory",
)


def add_command(workloads: Any, main: Callable[[Sequence[str]], None]) -> None:
    """Add the subcommand; ``main`` runs the others."""
    parser = workloads.add_parser("all", help="every run behind docs/performance.md", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=5, metavar="N", help="rounds of each (%(default)s)")
    add("--json", type=Path, default=Path("figures.json"), metavar="FILE", help="appended to (%(default)s)")
    add("--without", action="append", choices=PEER_NAMES, default=[], help="leave a peer out (repeatable)")
    parser.set_defaults(run=lambda arguments: run(arguments, main))


def run(arguments: argparse.Namespace, main: Callable[[Sequence[str]], None]) -> None:
    """Run everything; each round takes some twenty minutes."""
    peers = [f"--peer={name}" for name in PEER_NAMES if name not in arguments.without]
    common = [*peers, f"--rounds={arguments.rounds}", f"--json={arguments.json}"]
    for number, words in enumerate(RUNS, 1):
        print(f"\n[{number} of {len(RUNS)}] {words}", flush=True)
        main([*words.split(), *common])
