"""What ends a trial early, and what ends a connection."""

from __future__ import annotations

import aiohttp


class ChaosFailed(Exception):
    """The trial cannot go on, or would prove nothing; the message says why."""


class CutOff(Exception):
    """The node answered that it cannot be talked to now."""


# How it shows that a connection is gone, or was none.
CUT_OFF = (aiohttp.ClientError, OSError, TimeoutError, CutOff)
