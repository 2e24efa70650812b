"""What every use case needs, built once when the process is assembled."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field

from cachetools import LRUCache

from rooms import rules
from rooms.cursors import CursorSigner
from rooms.database import Database
from rooms.journal import Clock, Journal


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules that an operator sets: lengths in code points."""

    max_content: int = rules.MAX_CONTENT
    refuses_executable: bool = False
    requires_credentials: bool = True


@dataclass(frozen=True, slots=True)
class Context:
    """The domain's surroundings.

    ``homes`` remembers which server a channel belongs to; that never changes, so it never expires.
    """

    database: Database
    journal: Journal
    clock: Clock
    cursors: CursorSigner
    policy: Policy = field(default_factory=Policy)
    homes: MutableMapping[str, str] = field(default_factory=lambda: LRUCache(100_000))

    def now(self) -> int:
        """Return the time in epoch milliseconds."""
        return int(self.clock() * 1000)
