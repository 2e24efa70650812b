"""What an operator decides about the domain's rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rooms import rules
from rooms.principals import Kind
from rooms.reach import Reach

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """How long sessions last, in minutes, unless somebody wishes otherwise; and how long at most."""

    default_minutes: int = 30
    min_minutes: int = 5
    max_minutes: int = 1_440
    duration_minutes: int = 720
    warning_minutes: int = 5


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules that an operator sets: lengths in code points, times in milliseconds.

    A run waits for its agent for ``queue_ms``. Once the agent has taken it, it must give a sign of this
    run every ``lease_ms``, and be done after ``run_ms``. How agents may talk with each other is told in
    :mod:`rooms.guard`.
    """

    max_content: int = rules.MAX_CONTENT
    refuses_executable: bool = False
    requires_credentials: bool = True
    opens_channels: bool = False  # a message to a channel that does not exist makes it
    reach: Reach = field(default_factory=Reach)
    queue_ms: int = MINUTE_MS
    lease_ms: int = MINUTE_MS // 2
    run_ms: int = 10 * MINUTE_MS
    max_hops: int = 8
    pair_messages: int = 20  # a minute, from one agent to another
    agent_messages: int = 60  # a minute, of all agents in a channel
    external_wait_seconds: int = 30  # for which the reply to an external message is waited for, unless told
    sessions: SessionPolicy = field(default_factory=SessionPolicy)
    media: Path = Path("parley-data/media")  # where uploaded files lie
    max_upload: int = rules.MAX_ATTACHMENT_BYTES

    def length_limit(self, kind: Kind) -> int:
        """Return how long a content may be: agents say more than people."""
        return rules.MAX_AGENT_CONTENT if kind is Kind.AGENT else self.max_content
