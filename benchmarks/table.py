"""The figures of several servers side by side: medians, their spread, and how they compare."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.report import Figures

_LABEL, _CELL, _RATIO = 36, 30, 14


@dataclass(frozen=True, slots=True)
class Line:
    """One figure: what it is called, its unit, and where it is found."""

    label: str
    unit: str
    path: tuple[str, ...]

    def find(self, figures: Figures) -> float:
        """Return the figure; what never happened took for ever."""
        found: Any = figures
        for name in self.path:
            found = found[name]
        return math.inf if found is None else float(found)


def line(label: str, unit: str, *path: str) -> Line:
    """Return a line of the table."""
    return Line(label, unit, path)


def latency(label: str, name: str) -> list[Line]:
    """Return the lines of a latency."""
    return [line(f"{label} {one}", "ms", name, one) for one in ("p50", "p95", "p99", "p99.9", "max")]


def summary(what: Line, figures: Mapping[str, Figures]) -> str:
    """Return one figure of each server in a sentence."""
    return ", ".join(f"{name} {number(what.find(one))} {what.unit}" for name, one in figures.items())


def show(lines: Sequence[Line], rounds: Sequence[Mapping[str, Figures]]) -> None:
    """Print each figure's median with the least and the greatest, and the median of the rounds' ratios."""
    first, *peers = rounds[0]
    heading = f"\n{f'median of {len(rounds)} (min to max)':<{_LABEL}}{first:>{_CELL}}"
    print(heading + "".join(f"{peer:>{_CELL}}{f'{first}/{peer}':>{_RATIO}}" for peer in peers))
    for one in lines:
        row = f"{one.label + ', ' + one.unit:<{_LABEL}}{_cell(one, first, rounds):>{_CELL}}"
        for peer in peers:
            ratio = median_ratio(one, first, peer, rounds)
            shown = "" if ratio is None else f"{ratio:.2f}"
            row += f"{_cell(one, peer, rounds):>{_CELL}}{shown:>{_RATIO}}"
        print(row)


def median_ratio(one: Line, first: str, peer: str, rounds: Sequence[Mapping[str, Figures]]) -> float | None:
    """Return the median of each round's ratio, as what disturbs a round disturbs both; None without one."""
    pairs = [(one.find(figures[first]), one.find(figures[peer])) for figures in rounds]
    ratios = [ours / theirs for ours, theirs in pairs if theirs and math.isfinite(ours + theirs)]
    return statistics.median(ratios) if ratios else None


def _cell(one: Line, name: str, rounds: Sequence[Mapping[str, Figures]]) -> str:
    values = [one.find(figures[name]) for figures in rounds]
    middle = number(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({number(min(values))} to {number(max(values))})"


def number(value: float) -> str:
    """Return the number with three figures that count, and no more decimals than that takes."""
    if not math.isfinite(value):
        return "never"
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3
    return f"{round(value, decimals) + 0.0:,.{decimals}f}"  # no minus before nothing
