"""The command ``python -m benchmarks``: one subcommand for each workload."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks import (
    all_runs,
    connects,
    fanout,
    heartbeats,
    idle,
    memory,
    pairs,
    paths,
    plot,
    replay,
    slow_reader,
    submit,
    waiting,
)
from benchmarks.failure import BenchmarkFailed


def main(words: Sequence[str] | None = None, prog: str = "scripts/bench") -> None:
    """Run the workload that the command line asks for; a failure ends the command with a sentence."""
    parser = argparse.ArgumentParser(prog=prog, description="Measure a real Parley server.")
    workloads = parser.add_subparsers(metavar="WORKLOAD", required=True)
    for workload in (
        submit,
        fanout,
        pairs,
        idle,
        connects,
        slow_reader,
        memory,
        replay,
        heartbeats,
        waiting,
        paths,
        plot,
    ):
        workload.add_command(workloads)
    all_runs.add_command(workloads, main)
    arguments = parser.parse_args(words)
    try:
        arguments.run(arguments)
    except BenchmarkFailed as failure:
        sys.exit(f"benchmarks: {failure}")


if __name__ == "__main__":
    main()
