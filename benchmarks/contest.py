"""One workload, run by Parley and its peers in turn: the same cores, the same messages, new servers."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import load_generator, process, report, table
from benchmarks.contestants import PEER_NAMES, Contestant, Crowd, Parley, Peer
from benchmarks.failure import BenchmarkFailed
from benchmarks.load_generator import Argument
from benchmarks.process import Cores
from benchmarks.report import Figures
from benchmarks.table import Line

DRAIN_SECONDS = 10
OTHER_FILES = 200  # that a server has open beside its connections
BUSY_PERCENT = 90  # of the generator's core: from here on its own speed may be what is measured

# Each of them tells of a message that did not arrive as it should, or of a client that was not served.
FAULTS = ("lost", "duplicated", "reordered", "unacked", "refused", "stray", "closed")


@dataclass(frozen=True, slots=True)
class Contest:
    """A workload, put together from its options.

    ``mode`` and ``arguments`` are the generator's; ``derive`` turns its report into figures, which
    ``lines`` show.
    """

    title: str
    mode: str
    crowd: Crowd
    arguments: Mapping[str, Argument]
    derive: Callable[[Figures], Figures]
    lines: Sequence[Line]
    is_durable: bool = False


def add_options(parser: argparse.ArgumentParser, *, warmup: float, seconds: float = 0) -> None:
    """Add the options that all these workloads have; some end by a count, and not by the clock."""
    add = parser.add_argument
    add("--peer", action="append", choices=PEER_NAMES, default=[], help="compare with it (repeatable)")
    add("--rounds", type=int, default=5, metavar="N", help="rounds, each on new servers (%(default)s)")
    # Node's compiler needs five seconds to do its best.
    add("--warmup", type=float, default=warmup, metavar="S", help="seconds before measuring (%(default)s)")
    if seconds:
        add("--seconds", type=float, default=seconds, metavar="S", help="measured time (%(default)s)")
    parser.set_defaults(seconds=seconds)
    add("--json", type=Path, metavar="FILE", help="append the figures to FILE as one line of JSON")


def hold(contest: Contest, workload: str, arguments: argparse.Namespace) -> None:
    """Run as many rounds as were asked for, and report them."""
    cores = process.choose_cores()
    process.allow_open_files(contest.crowd.clients + OTHER_FILES)
    contestants: list[Contestant] = [Parley(), *map(Peer, arguments.peer)]
    print(contest.title, flush=True)
    rounds: list[dict[str, Figures]] = []
    for number in range(1, arguments.rounds + 1):
        rounds.append({one.name: _measure(contest, one, cores, arguments) for one in contestants})
        print(f"round {number}: {table.summary(contest.lines[0], rounds[-1])}", flush=True)
    table.show(contest.lines, rounds)
    _show_notes(contest, rounds, arguments.peer)
    if arguments.json:
        chosen = {name: value for name, value in vars(arguments).items() if name not in ("run", "json")}
        report.append_json(arguments.json, workload, {"title": contest.title, **chosen}, rounds)


def _measure(
    contest: Contest, contestant: Contestant, cores: Cores, arguments: argparse.Namespace
) -> Figures:
    """Measure a new server."""
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as name:
        directory = Path(name)
        with contestant.serving(directory, cores, contest.crowd) as way:
            given = load_generator.run(
                contest.mode,
                {
                    "clients": contest.crowd.clients,
                    "warmup": arguments.warmup,
                    "seconds": arguments.seconds,
                    "core": cores.server,
                    "drain": DRAIN_SECONDS,
                    **way,
                    **contest.arguments,
                },
            )
        faults = [f"{given[fault]} {fault}" for fault in FAULTS if given.get(fault)]
        if faults:
            raise BenchmarkFailed(
                f"{contestant.name}: {', '.join(faults)}; {given.get('sent', 0):,.0f} messages were sent, "
                f"and {DRAIN_SECONDS} s waited for the last of them"
            )
        if contest.is_durable:
            contestant.verify(directory, given["acked"])
    return contest.derive(given)


def _worst(rounds: Sequence[dict[str, Figures]], name: str) -> float:
    return max(float(figures[name]) for one in rounds for figures in one.values())


def _show_notes(contest: Contest, rounds: Sequence[dict[str, Figures]], peers: Sequence[str]) -> None:
    if contest.mode == "load":
        print("every message arrived where it should, once; in each pair in order, where its content tells")
    if contest.is_durable:
        print("parley stored every message before its acknowledgement (parley check)", end="")
        print("; the peers store nothing" if peers else "")
    busiest, noise = _worst(rounds, "generator_cpu_percent"), _worst(rounds, "others_cpu_percent")
    if busiest > BUSY_PERCENT:
        print(f"WARNING: the generator used {busiest:.0f} % of its core, and may be what was measured")
    if noise > report.NOISY_PERCENT:
        print(f"WARNING: other processes used up to {noise:.0f} % of the server's core")


def describe(number: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def usage(given: Figures) -> dict[str, Any]:
    """Return what both processes took of their cores, in per cent of the measured time."""
    others = max(0.0, given["core_busy_seconds"] - given["server_cpu_seconds"])
    return {
        "seconds": given["seconds"],
        "others_cpu_percent": others / given["seconds"] * 100,
        "server_cpu_percent": given["server_cpu_seconds"] / given["seconds"] * 100,
        "generator_cpu_percent": given["generator_cpu_seconds"] / given["seconds"] * 100,
    }
