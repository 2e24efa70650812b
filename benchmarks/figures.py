"""What one round measured, and the figures that follow from it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.load import Sample


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor seconds that a run took: the server's, the generator's, and others' on the server's core."""

    server: float
    generator: float
    others: float


@dataclass(frozen=True, slots=True)
class Round:
    """What was measured on one new server."""

    sample: Sample
    usage: Usage
    rss_before: int  # bytes, with every connection open and before the warm-up
    rss_after: int
    stored: int  # messages, those of the warm-up among them

    def figures(self) -> dict[str, Any]:
        """Return everything as numbers, in the units in which it is reported."""
        sample, usage = self.sample, self.usage
        return {
            "messages": sample.messages,
            "messages_per_second": sample.messages / sample.seconds,
            "latency_ms": latency(list(itertools.chain(*sample.latencies.values()))),
            "doors": {
                door: {"messages_per_second": len(times) / sample.seconds, "latency_ms": latency(times)}
                for door, times in sample.latencies.items()
                if times
            },
            "server_cpu_us_per_message": usage.server / sample.messages * 1e6,
            "server_cpu_percent": usage.server / sample.seconds * 100,
            "others_cpu_percent": usage.others / sample.seconds * 100,
            "generator_cpu_percent": usage.generator / sample.seconds * 100,
            "rss_before_mb": self.rss_before / 1e6,
            "rss_after_mb": self.rss_after / 1e6,
            "rss_mb_per_1000_messages": (self.rss_after - self.rss_before) / 1e6 / self.stored * 1_000,
        }


def latency(seconds: Sequence[float]) -> dict[str, float]:
    """Return the percentiles of the times, in milliseconds."""
    ordered = sorted(seconds)
    return {f"p{percent}": percentile(ordered, percent) * 1_000 for percent in (50, 95, 99)}


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the smallest of the sorted values that this share of them does not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
