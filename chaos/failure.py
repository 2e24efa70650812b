"""What ends a trial early."""

from __future__ import annotations


class ChaosFailed(Exception):
    """The trial cannot go on, or would prove nothing; the message says why."""
