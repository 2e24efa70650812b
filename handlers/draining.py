"""How far the node is on its way out, as its doors need to know."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Draining:
    """Two moments of a node's end, each of which comes once.

    From ``begun`` on the node is not ready, and serves everything as before. From ``closing`` on nothing
    new begins: whoever waits for news is answered at once, and sessions are refused.
    """

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
