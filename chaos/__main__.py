"""The command ``scripts/chaos``."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from chaos import plot, report, stock, trial
from chaos.crowd import ROLES
from chaos.failure import ChaosFailed
from chaos.harms import HARMS
from chaos.trial import Outcome, Plan

SHORT, LONG = 5, 200  # cycles


def main(words: Sequence[str] | None = None) -> None:
    """Harm nodes as the command line asks for, print what came of it, and fail if anything was wrong."""
    arguments = _parse(words)
    if stock.find_node() is None:
        print("Without stock clients: they need node, and the npm clients of tests/compat.")
    try:
        outcomes = [_try(plan) for plan in _plans(arguments)]
    except ChaosFailed as failure:
        sys.exit(f"scripts/chaos: {failure}")
    print(report.table(outcomes))
    if arguments.save:
        arguments.save.mkdir(parents=True, exist_ok=True)
        figures = report.save(outcomes, arguments.save / "chaos.json")
        plot.draw(figures).save(arguments.save / "recovery.svg")
    if found := report.faults(outcomes):
        sys.exit("\n".join(found))


def _try(plan: Plan) -> Outcome:
    print(
        f"{plan.harm.name}: up to {plan.cycles} times, {plan.clients} clients, seed {plan.seed}", flush=True
    )
    return asyncio.run(trial.run(plan))


def _plans(arguments: argparse.Namespace) -> list[Plan]:
    return [
        Plan(HARMS[name], arguments.cycles, arguments.seconds, arguments.clients, arguments.seed)
        for name in arguments.harm or HARMS
    ]


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/chaos", description="Harm a node while clients talk, and prove that nothing is lost."
    )
    parser.add_argument("--harm", action="append", choices=HARMS, help="what to do; everything, unless told")
    parser.add_argument("--cycles", type=int, help=f"how often ({SHORT}, with --long {LONG})")
    parser.add_argument("--long", action="store_true", help="the long form")
    parser.add_argument("--clients", type=int, default=2 * ROLES, help="how many (%(default)s)")
    parser.add_argument("--seconds", type=float, default=1_500, help="at most for each harm (%(default)s)")
    parser.add_argument("--seed", type=int, help="of everything that is left to chance")
    parser.add_argument(
        "--save",
        type=Path,
        nargs="?",
        const=Path("docs/delivery"),
        help="write chaos.json and recovery.svg there, beside what is known of other harms (%(const)s)",
    )
    arguments = parser.parse_args(words)
    arguments.cycles = arguments.cycles or (LONG if arguments.long else SHORT)
    arguments.seed = random.randrange(1_000_000) if arguments.seed is None else arguments.seed
    return arguments


if __name__ == "__main__":
    main()
