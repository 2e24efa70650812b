"""What the workloads that send messages have in common: their figures, and how these are shown."""

from __future__ import annotations

from typing import Any

from benchmarks import contest, table
from benchmarks.report import Figures

LATENCIES = ("delivery_ms", "ack_ms", "delivery_after_ms")
KEPT = (
    "bytes_per_delivery",
    "rss_before_mb",
    "rss_warm_mb",
    "rss_after_mb",
    "rss_samples",
    "closed_after_seconds",
)

LINES = [
    table.line("messages", "/s", "messages_per_second"),
    table.line("deliveries", "/s", "deliveries_per_second"),
    table.line("server CPU per message", "µs", "server_cpu_us_per_message"),
    table.line("server CPU per delivery", "µs", "server_cpu_us_per_delivery"),
    *table.latency("delivery", "delivery_ms"),
    *table.latency("ack", "ack_ms"),
    table.line("server on its core", "%", "server_cpu_percent"),
    table.line("others on the server's core", "%", "others_cpu_percent"),
    table.line("generator on its core", "%", "generator_cpu_percent"),
    table.line("bytes per delivery", "B", "bytes_per_delivery"),
    table.line("RSS before", "MB", "rss_before_mb"),
    table.line("RSS after", "MB", "rss_after_mb"),
]


def derive(given: Figures) -> Figures:
    """Return the figures of a report."""
    seconds, cpu = given["seconds"], given["server_cpu_seconds"] * 1e6
    messages, deliveries = max(1, given["messages"]), max(1, given["deliveries"])
    figures: dict[str, Any] = {
        "messages_per_second": given["messages"] / seconds,
        "deliveries_per_second": given["deliveries"] / seconds,
        "server_cpu_us_per_message": cpu / messages,
        "server_cpu_us_per_delivery": cpu / deliveries,
        "bytes_per_delivery": given["bytes"] / deliveries,
        **contest.usage(given),
    }
    return figures | {name: given[name] for name in (*LATENCIES, *KEPT) if name in given}
