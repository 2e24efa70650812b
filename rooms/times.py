"""Times: epoch milliseconds everywhere, and ISO 8601 where elizaOS's clients read them."""

from __future__ import annotations

import datetime


def iso(ms: int) -> str:
    """Return a time as ISO 8601 in UTC, as JavaScript writes it."""
    moment = datetime.datetime.fromtimestamp(ms / 1000, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
