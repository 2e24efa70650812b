"""The command ``plot``: charts of what other workloads appended to files with ``--json``.

Runs of the same workload with the same title are taken together; a chart shows the medians of their rounds.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import charts
from benchmarks.failure import BenchmarkFailed
from benchmarks.report import Figures
from benchmarks.svg import Drawing, Point

PERCENTILES = ("p50", "p75", "p90", "p95", "p99", "p99.9", "p99.99", "max")
LOAD = ("fanout", "pairs")

# File, title, workloads, figure, unit.
BARS = (
    ("messages", "Messages per second", LOAD, "messages_per_second", "/s"),
    ("cpu-per-message", "Server CPU per message", LOAD, "server_cpu_us_per_message", "µs"),
    ("cpu-per-delivery", "Server CPU per delivery", LOAD, "server_cpu_us_per_delivery", "µs"),
    ("connects", "Authenticated connects per second", ("connects",), "connects_per_second", "/s"),
    ("memory-per-connection", "Memory per connection", ("idle",), "rss_kb_per_connection", "KB"),
)
SAMPLED = {"memory": "messages", "slow-reader": "seconds"}

Rounds = list[dict[str, Figures]]
Runs = dict[str, dict[str, Rounds]]  # by workload and title


def add_command(workloads: Any) -> None:
    """Add the subcommand."""
    parser = workloads.add_parser("plot", help="charts of figures in files", description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="what --json wrote")
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="where the SVG files go")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Write a file for each chart that there are figures for."""
    runs = _read(arguments.files)
    drawings = _draw_bars(runs) | _draw_latencies(runs) | _draw_memory(runs)
    if not drawings:
        raise BenchmarkFailed("there is nothing to plot in these files")
    arguments.to.mkdir(parents=True, exist_ok=True)
    for name, drawing in drawings.items():
        file = arguments.to / f"{name}.svg"
        drawing.save(file)
        print(file)


def _read(files: Sequence[Path]) -> Runs:
    """Return the rounds of the workloads that compare servers."""
    runs: Runs = defaultdict(lambda: defaultdict(list))
    for file in files:
        for text in file.read_text().splitlines():
            line = json.loads(text)
            if title := line["options"].get("title"):
                runs[line["workload"]][title] += line["rounds"]
    return runs


def _draw_bars(runs: Runs) -> dict[str, Drawing]:
    drawings = {}
    for file, title, workloads, figure, unit in BARS:
        groups = {
            label: {name: _median(rounds, name, figure) for name in rounds[0]}
            for workload in workloads
            for label, rounds in runs.get(workload, {}).items()
        }
        if groups:
            drawings[file] = charts.bars(title, groups, unit)
    return drawings


def _draw_latencies(runs: Runs) -> dict[str, Drawing]:
    """Draw how long a delivery takes at a steady rate, from the quickest half to the slowest of all."""
    drawings = {}
    for title, rounds in runs.get("steady", {}).items():
        series: dict[str, list[Point]] = {
            name: [
                (place, _median(rounds, name, "delivery_ms", percentile))
                for place, percentile in enumerate(PERCENTILES)
            ]
            for name in rounds[0]
        }
        values = [ms for points in series.values() for _, ms in points]
        axes = charts.named(PERCENTILES), charts.logarithmic(min(values), max(values))
        drawings[_slug(title)] = charts.lines(title, series, *axes, ("percentile", "ms"))
    return drawings


def _draw_memory(runs: Runs) -> dict[str, Drawing]:
    drawings = {}
    for workload, counted in SAMPLED.items():
        for title, rounds in runs.get(workload, {}).items():
            series = {name: _median_samples(rounds, name) for name in rounds[0]}
            points = [point for found in series.values() for point in found]
            axes = charts.linear(max(at for at, _ in points)), charts.linear(max(mb for _, mb in points))
            drawings[_slug(title)] = charts.lines(title, series, *axes, (counted, "MB resident"))
    return drawings


def _median(rounds: Rounds, name: str, *path: str) -> float:
    return statistics.median(_find(figures[name], path) for figures in rounds)


def _find(figures: Mapping[str, Any], path: Sequence[str]) -> float:
    for step in path[:-1]:
        figures = figures[step]
    return float(figures[path[-1]])


def _median_samples(rounds: Rounds, name: str) -> list[Point]:
    """Return the samples in their order, each the median of those that the rounds have in its place."""
    columns = zip(*(figures[name]["rss_samples"] for figures in rounds), strict=False)
    return [
        (statistics.median(at for at, _ in column), statistics.median(mb for _, mb in column))
        for column in columns
    ]


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower().replace(",", "")).strip("-")
