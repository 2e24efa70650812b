"""Figures as a person reads them, and as a line of JSON."""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Figures = dict[str, Any]

RSS_BOUND_MB = 50  # for each 1,000 messages, as documented

NOISY_PERCENT = 5  # of the server's core, used by others


def show(rounds: Sequence[Figures]) -> None:
    """Print the median of each figure, with the least and the greatest."""
    print(f"\n{'median of ' + str(len(rounds)):<34}{'':>10}   min to max")
    for label, unit, figure in _lines(rounds[0]):
        values = [figure(one) for one in rounds]
        spread = f"{min(values):,.1f} to {max(values):,.1f} {unit}"
        print(f"{label:<34}{statistics.median(values):>10,.1f}   {spread}")
    print("every acknowledged message is stored, none twice, and the log has no hole (parley check)")
    if max(one["others_cpu_percent"] for one in rounds) > NOISY_PERCENT:
        print("NOTE: other processes ran on the server's core; the figures are too low")


def _lines(example: Figures) -> list[tuple[str, str, Callable[[Figures], float]]]:
    """Return what is printed: a label, a unit, and where in the figures it stands."""
    lines = [_line("durable messages", "/s", "messages_per_second")]
    lines += _percentiles("")
    for door in example["doors"]:
        lines.append(_line(door, "/s", "doors", door, "messages_per_second"))
        lines += _percentiles(door, "doors", door)
    return [
        *lines,
        _line("server CPU per message", "µs", "server_cpu_us_per_message"),
        _line("server on its core", "%", "server_cpu_percent"),
        _line("other processes on that core", "%", "others_cpu_percent"),
        _line("generator on its core", "%", "generator_cpu_percent"),
        _line("RSS before", "MB", "rss_before_mb"),
        _line("RSS after", "MB", "rss_after_mb"),
        _line(f"RSS per 1,000 messages (max {RSS_BOUND_MB})", "MB", "rss_mb_per_1000_messages"),
    ]


def _percentiles(door: str, *path: str) -> list[tuple[str, str, Callable[[Figures], float]]]:
    return [
        _line(f"{door} {name}".strip(), "ms", *path, "latency_ms", name) for name in ("p50", "p95", "p99")
    ]


def _line(label: str, unit: str, *path: str) -> tuple[str, str, Callable[[Figures], float]]:
    def find(figures: Figures) -> float:
        found: Any = figures
        for name in path:
            found = found[name]
        return float(found)

    return label, unit, find


def append_json(file: Path, workload: str, options: Mapping[str, Any], rounds: Sequence[Figures]) -> None:
    """Append one line with every round, and with what they were measured on.

    Where servers were compared, a round has the figures of each under its name.
    """
    line = {
        "workload": workload,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": _processor(),
        "options": dict(options),
        "rounds": list(rounds),
    }
    with file.open("a") as lines:
        lines.write(json.dumps(line) + "\n")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"
