"""What stops a measurement."""

from __future__ import annotations


class BenchmarkFailed(Exception):
    """The figures would mean nothing; the message says why."""
