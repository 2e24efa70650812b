"""What the statements of :mod:`rooms.store` take and return beside whole table rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

AGENT_ACTION = "agent_action"  # the source of messages that say what an agent does before it answers


@dataclass(frozen=True, slots=True)
class Approval:
    """A question to people that a message carries, as its table has it."""

    id: str  # the message's
    server_id: str
    channel_id: str
    seq: int  # the message's
    run_id: str | None
    requested_by: str
    options: list[str]
    allowed: list[str]
    state: str
    choice: str | None
    resolved_by: str | None
    created_at: int
    expires_at: int
    closed_at: int | None


class Message(NamedTuple):
    """A stored message, with its author's name; times are epoch milliseconds."""

    id: str
    server_id: str
    channel_id: str
    seq: int
    author_id: str
    by_agent: bool
    content: str
    source_type: str
    parent_id: str | None
    root_id: str | None  # of the thread that it is in
    hops: int  # how many agents' messages lie between it and a person's
    raw_message: dict[str, Any]
    details: dict[str, Any]
    attachments: list[dict[str, Any]]
    mentions: list[dict[str, Any]]
    reply_count: int  # in the thread that it is the root of
    created_at: int
    updated_at: int
    author_name: str
    deleted_at: int | None = None  # what it said is gone then
    approval: Approval | None = None


class Run(NamedTuple):
    """One agent's processing of one message, as its table has it."""

    id: str
    server_id: str
    channel_id: str
    message_id: str
    agent_id: str
    user_id: str
    reply_id: str
    state: str
    reason: str | None
    hops: int
    holder: str | None
    fence: int
    seq: int
    partial: str
    chunks: int
    created_at: int
    started_at: int | None
    updated_at: int
    due_at: int | None
    waiting_since: int | None = None
    told_at: int | None = None
    prompt_key: bytes | None = None
    awaits: str | None = None


class Session(NamedTuple):
    """A user's conversation with an agent, as its table has it."""

    id: str
    channel_id: str
    agent_id: str
    user_id: str
    details: dict[str, Any]
    timeout_ms: int
    auto_renew: bool
    duration_ms: int
    warning_ms: int
    renewals: int
    created_at: int
    active_at: int
    beat_at: int | None
    base_at: int
    expires_at: int
    due_at: int | None


class Job(NamedTuple):
    """A question to an agent that is to be answered in time, as its table has it."""

    id: str
    user_id: str
    agent_id: str
    channel_id: str
    message_id: str
    run_id: str | None
    fingerprint: bytes
    state: str
    reason: str | None
    reply_id: str | None
    created_at: int
    expires_at: int
    ended_at: int | None


class Tally(NamedTuple):
    """How many jobs are in a state, the time of how many is over, and how many ms they took on average."""

    state: str
    jobs: int
    late: int
    average_ms: float


class Seat(NamedTuple):
    """An agent in a channel, what keeps it from speaking there, and whether its runs are sent to it.

    ``cache_settings`` are its settings if they say something of the response cache. ``pause`` is why agents'
    messages open no runs in the channel, if they do not, and ``resumed_seq`` since which event they have
    been counted.
    """

    channel_id: str
    agent_id: str
    is_active: bool
    is_muted: bool
    muted_until: int | None
    has_webhook: bool
    cache_settings: dict[str, Any] | None
    pause: str | None
    resumed_seq: int


class DueDelivery(NamedTuple):
    """A delivery that has to be made; ``server_id`` is its run's."""

    id: str
    agent_id: str
    due_at: int
    server_id: str


class Profile(NamedTuple):
    """What the registry knows of an agent; ``settings`` is None for those who may not see them."""

    id: str
    name: str
    handle: str | None
    bio: str
    is_active: bool
    capabilities: list[str]
    settings: dict[str, Any] | None
    created_at: int
    updated_at: int


class Counts(NamedTuple):
    """How many agents there are, and how many of them are addressed."""

    total: int
    active: int


class Line(NamedTuple):
    """What was said, as far as it matters for what agents say next."""

    author_id: str
    by_agent: bool
    hops: int
    content: str
    created_at: int


class Said(NamedTuple):
    """A message, as far as it is searched."""

    id: str
    seq: int
    author_id: str
    content: str
    created_at: int
    deleted_at: int | None


class Attendance(NamedTuple):
    """A participant with what the registry says of it."""

    entity_id: str
    channel_id: str
    role: str
    joined_at: int
    kind: str
    name: str
    handle: str | None = None


class Sign(NamedTuple):
    """A sign that stands at a message, how often, and whether whoever asks is among those who gave it."""

    emoji: str
    times: int
    is_mine: bool


class Unread(NamedTuple):
    """Up to where somebody has read a channel, and how much has come since."""

    channel_id: str
    seq: int
    unread: int
    mentions: int


class Mentionable(NamedTuple):
    """An entity as it may be mentioned, and one of the channels that it takes part in, if it is in any."""

    id: str
    kind: str
    name: str
    name_key: str
    handle_key: str | None
    channel_id: str | None


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a channel's history is asked for.

    ``after_seq``/``before_seq`` and ``after``/``before`` (milliseconds) exclude their own value.
    ``offset`` counts from the oldest message, or from the newest with ``newest_first``. Without it
    the page is the one nearest to the bound that is given, or the newest.
    """

    limit: int
    offset: int | None = None
    newest_first: bool = False
    after: int | None = None
    before: int | None = None
    after_seq: int | None = None
    before_seq: int | None = None

    @property
    def from_the_beginning(self) -> bool:
        """Tell whether the page is counted from the oldest message on, not from the newest back."""
        bounded_below = self.after is not None or self.after_seq is not None
        bounded_above = self.before is not None or self.before_seq is not None
        if self.offset is not None:
            return not self.newest_first
        return bounded_below and not bounded_above


class Interval(NamedTuple):
    """A stretch of a log: from ``first`` until before ``end``, or without end."""

    first: int
    end: int | None


class Membership(NamedTuple):
    """A stretch of a log in which somebody took part in a channel: until before ``left_seq``, or now."""

    channel_id: str
    joined_seq: int
    left_seq: int | None


class Entry(NamedTuple):
    """An entry of a log as it is replayed; ``payload`` is what native clients get, encoded."""

    seq: int
    channel_id: str
    kind: str
    payload: bytes


class LogSummary(NamedTuple):
    """What a log claims (all from after ``floor_seq`` to ``server_seq``) and what it holds."""

    server_id: str
    server_seq: int
    floor_seq: int
    held: int
    first: int | None
    last: int | None
    orphans: int  # message events whose message is gone

    @property
    def is_complete(self) -> bool:
        """Tell whether the log goes from its floor to its end without holes."""
        ends = (self.floor_seq + 1, self.server_seq) if self.held else (None, None)
        return self.held == self.server_seq - self.floor_seq and (self.first, self.last) == ends


class ChannelSummary(NamedTuple):
    """What a channel claims (``seq``, ``message_count``) and what there is (``newest``, ``messages``)."""

    id: str
    server_id: str
    floor_seq: int  # of its server
    seq: int
    newest: int | None
    message_count: int
    messages: int  # those that are not deleted

    @property
    def is_in_place(self) -> bool:
        """Tell whether the channel stands at its newest event, or at one that was forgotten."""
        return self.seq <= self.floor_seq if self.newest is None else self.seq == self.newest
