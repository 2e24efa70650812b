"""The tables of agents and of their work; see :mod:`rooms.tables` for how ids and times are kept."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Index, LargeBinary, Text
from sqlmodel import Field, SQLModel

from rooms.tables import big, only_where


class Agent(SQLModel, table=True):
    """What the registry knows of an agent beyond its id, name and handle."""

    __tablename__ = "agents"

    entity_id: str = Field(foreign_key="entities.id", primary_key=True)
    bio: str = Field(default="", sa_type=Text, nullable=False)
    is_active: bool = True
    capabilities: list[str] = Field(default_factory=list, sa_type=JSON, nullable=False)
    settings: dict[str, Any] = Field(default_factory=dict, sa_type=JSON, nullable=False)
    character: dict[str, Any] | None = Field(default=None, sa_type=JSON)  # what else elizaOS's clients say
    updated_at: int = big()
    deleted_at: int | None = big(default=None, nullable=True)


class Mute(SQLModel, table=True):
    """An agent that is not to speak in a channel unless it is mentioned: until a time, or for good."""

    __tablename__ = "mutes"

    channel_id: str = Field(foreign_key="channels.id", primary_key=True)
    agent_id: str = Field(foreign_key="entities.id", primary_key=True)
    reason: str = ""
    until: int | None = big(default=None, nullable=True)
    muted_by: str
    created_at: int = big()


class Run(SQLModel, table=True):
    """One agent's processing of one message.

    ``due_at`` is when the run has to be looked at, and ended if nothing has happened; it is NULL once
    the run is over. ``fence`` counts the claims: whoever holds the newest one may go on.
    ``waiting_since`` is when it began to wait for people; it is NULL while it does not. ``told_at`` is when
    its agent has told that it is done with it. Runs with one ``prompt_key`` may be answered alike, which is
    kept of those that are open or that the agent itself has answered; one that ``awaits`` another is
    answered with what that is.
    """

    __tablename__ = "runs"
    __table_args__ = (
        Index("runs_by_message", "message_id"),
        Index("runs_by_reply", "reply_id", unique=True),
        Index("runs_by_channel", "channel_id", "id"),
        Index("runs_by_agent", "agent_id", "id"),
        Index("runs_open", "agent_id", "channel_id", **only_where("due_at IS NOT NULL")),
        Index("runs_due", "due_at", **only_where("due_at IS NOT NULL")),
        Index("runs_by_prompt", "prompt_key", **only_where("prompt_key IS NOT NULL")),
        Index("runs_awaiting", "awaits", **only_where("awaits IS NOT NULL AND due_at IS NOT NULL")),
    )

    id: str = Field(primary_key=True)
    server_id: str = Field(foreign_key="servers.id")
    channel_id: str = Field(foreign_key="channels.id")
    message_id: str = Field(foreign_key="messages.id")
    agent_id: str = Field(foreign_key="entities.id")
    user_id: str = Field(foreign_key="entities.id")  # who wrote the message
    reply_id: str  # the id that the reply will have
    state: str
    reason: str | None = None
    hops: int = 0  # that the reply will have
    holder: str | None = None
    fence: int = big()
    seq: int = big()  # of the event that opened it
    partial: str = Field(default="", sa_type=Text, nullable=False)  # what was streamed so far
    chunks: int = big()  # how many chunks that was
    created_at: int = big()
    started_at: int | None = big(default=None, nullable=True)
    updated_at: int = big()
    due_at: int | None = big(default=None, nullable=True)
    waiting_since: int | None = big(default=None, nullable=True)
    told_at: int | None = big(default=None, nullable=True)
    prompt_key: bytes | None = Field(default=None, sa_type=LargeBinary, nullable=True)
    awaits: str | None = None  # the id of a run


class Guard(SQLModel, table=True):
    """A channel in which agents' messages open no runs, or were not to before somebody had them go on."""

    __tablename__ = "guards"

    channel_id: str = Field(foreign_key="channels.id", primary_key=True)
    reason: str | None = None  # NULL: they may go on
    message_id: str  # that was one too many
    created_at: int = big()
    resumed_seq: int = big()  # of the event since which agents' messages are counted


class Approval(SQLModel, table=True):
    """A question to people that a message carries, and what was decided."""

    __tablename__ = "approvals"
    __table_args__ = (
        Index("approvals_by_channel", "channel_id", "created_at"),
        Index("approvals_due", "expires_at", **only_where("state = 'requested'")),
    )

    id: str = Field(primary_key=True)  # the message's
    server_id: str = Field(foreign_key="servers.id")
    channel_id: str = Field(foreign_key="channels.id")
    seq: int = big()  # the message's
    run_id: str | None = None
    requested_by: str
    options: list[str] = Field(default_factory=list, sa_type=JSON, nullable=False)
    allowed: list[str] = Field(default_factory=list, sa_type=JSON, nullable=False)  # empty: everybody
    state: str
    choice: str | None = None
    resolved_by: str | None = None
    created_at: int = big()
    expires_at: int = big()
    closed_at: int | None = big(default=None, nullable=True)


class Webhook(SQLModel, table=True):
    """Where an agent wants its runs sent; what they are signed with is in the vault."""

    __tablename__ = "webhooks"

    agent_id: str = Field(foreign_key="entities.id", primary_key=True)
    url: str
    created_at: int = big()


class Delivery(SQLModel, table=True):
    """A run on its way to an agent's webhook; or the reply of one, on its way to a platform.

    ``address`` is where on the platform a reply goes, as long as one may be sent there, and ``sent`` how many
    parts of it are there.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("deliveries_by_agent", "agent_id", "id"),
        Index("deliveries_due", "due_at", **only_where("due_at IS NOT NULL")),
        Index("deliveries_by_run", "run_id"),
        Index("deliveries_by_platform", "platform_id", "id", **only_where("platform_id IS NOT NULL")),
    )

    id: str = Field(primary_key=True)
    agent_id: str = Field(foreign_key="entities.id")
    run_id: str = Field(foreign_key="runs.id")
    state: str
    attempts: int = 0
    error: str | None = None  # of the last attempt
    created_at: int = big()
    due_at: int | None = big(default=None, nullable=True)  # when it is tried next
    platform_id: str | None = None  # which may be gone
    address: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    sent: int = 0
