"""The tables, as SQLModel classes; the statements over them are in :mod:`rooms.store`.

Ids are text: UUIDs in lower case, principals as they were given. Times are epoch milliseconds.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Index, LargeBinary, Text, text
from sqlmodel import Field, SQLModel


def big(*, default: int | None = 0, nullable: bool = False) -> Any:
    """Return a column of 64 bits."""
    return Field(default=default, sa_type=BigInteger, nullable=nullable)


def only_where(condition: str) -> dict[str, Any]:
    """Return what bounds an index to the rows that fulfil the condition."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


def _json() -> Any:
    return Field(default_factory=dict, sa_type=JSON, nullable=False)


class Server(SQLModel, table=True):
    """A message server: a tenant, and one log."""

    __tablename__ = "servers"

    id: str = Field(primary_key=True)
    name: str
    source_type: str
    source_id: str | None = None
    details: dict[str, Any] = _json()
    epoch: int = big()  # changes only if the log is rebuilt
    seq: int = big()  # of the newest event
    floor_seq: int = big()  # of the newest event that is no longer kept; all before it are gone too
    created_at: int = big()
    updated_at: int = big()
    deleted_at: int | None = big(default=None, nullable=True)  # nothing is left but that it was there


class Channel(SQLModel, table=True):
    """A conversation of one server.

    ``unique_name`` is the case-folded name where it must be unique, ``dm_key`` the sorted pair of a
    dm; both are NULL elsewhere, so that their unique indexes bind only where they must.
    """

    __tablename__ = "channels"
    __table_args__ = (
        Index("channels_by_name", "server_id", "unique_name", unique=True),
        Index("channels_by_pair", "server_id", "dm_key", unique=True),
        Index("channels_by_source", "server_id", "source_id", **only_where("source_id IS NOT NULL")),
    )

    id: str = Field(primary_key=True)
    server_id: str = Field(foreign_key="servers.id")
    name: str
    unique_name: str | None = None
    dm_key: str | None = None
    type: str
    topic: str | None = None
    source_type: str | None = None
    source_id: str | None = None
    details: dict[str, Any] = _json()
    joinable: bool = False  # anybody of the server may join
    earlier_history: bool = True  # members read what was said before they joined
    message_count: int = big()
    seq: int = big()  # of the channel's newest event
    created_at: int = big()
    updated_at: int = big()
    deleted_at: int | None = big(default=None, nullable=True)  # nothing is left but that it was there


class ServerAgent(SQLModel, table=True):
    """That an agent was added to a message server, whatever channels it is in."""

    __tablename__ = "server_agents"

    server_id: str = Field(foreign_key="servers.id", primary_key=True)
    agent_id: str = Field(foreign_key="entities.id", primary_key=True)
    added_at: int = big()


class Entity(SQLModel, table=True):
    """A user or an agent that has been seen or registered."""

    __tablename__ = "entities"

    __table_args__ = (
        Index("entities_by_handle", "handle_key", unique=True),
        Index("entities_by_name", "name_key"),
        Index("entities_by_lower_id", text("lower(id)")),
    )

    id: str = Field(primary_key=True)
    kind: str
    name: str
    name_key: str  # the name as it is compared: NFKC, case-folded
    handle: str | None = None  # by which it is mentioned, beside its id
    handle_key: str | None = None  # case-folded
    created_at: int = big()


class Participant(SQLModel, table=True):
    """One membership interval: from ``joined_seq`` until ``left_seq``, or until now if it is NULL."""

    __tablename__ = "participants"
    __table_args__ = (
        Index(
            "participants_active", "entity_id", "channel_id", unique=True, **only_where("left_seq IS NULL")
        ),
        Index("participants_agents", "channel_id", **only_where("is_agent AND left_seq IS NULL")),
    )

    channel_id: str = Field(foreign_key="channels.id", primary_key=True)
    entity_id: str = Field(foreign_key="entities.id", primary_key=True)
    joined_seq: int = Field(sa_type=BigInteger, primary_key=True)
    left_seq: int | None = big(default=None, nullable=True)
    role: str = "member"
    is_agent: bool = False
    joined_at: int = big()


class MessageRow(SQLModel, table=True):
    """What somebody said."""

    __tablename__ = "messages"
    __table_args__ = (
        Index("messages_by_channel", "channel_id", "seq"),
        Index("messages_by_time", "channel_id", "created_at"),
        Index("messages_by_thread", "root_id", "seq", **only_where("root_id IS NOT NULL")),
        Index("messages_by_agents", "channel_id", "created_at", **only_where("by_agent")),
    )

    id: str = Field(primary_key=True)
    server_id: str = Field(foreign_key="servers.id")
    channel_id: str = Field(foreign_key="channels.id")
    seq: int = big()
    author_id: str = Field(foreign_key="entities.id")
    by_agent: bool = False
    content: str = Field(sa_type=Text)
    source_type: str
    parent_id: str | None = None
    root_id: str | None = None  # of the thread that it is in
    hops: int = 0  # how many agents' messages lie between it and a person's
    raw_message: dict[str, Any] = _json()
    details: dict[str, Any] = _json()
    attachments: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON, nullable=False)
    mentions: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON, nullable=False)
    reply_count: int = big()  # in the thread that it is the root of
    created_at: int = big()
    updated_at: int = big()
    deleted_at: int | None = big(default=None, nullable=True)  # what was said is gone then


class Mention(SQLModel, table=True):
    """That a message mentions somebody beside its author, to be counted."""

    __tablename__ = "mentions"
    __table_args__ = (Index("mentions_by_entity", "entity_id", "channel_id", "seq"),)

    message_id: str = Field(foreign_key="messages.id", primary_key=True)
    entity_id: str = Field(foreign_key="entities.id", primary_key=True)
    channel_id: str = Field(foreign_key="channels.id")
    seq: int = big()  # of the message


class Reaction(SQLModel, table=True):
    """What somebody answered to a message with one sign."""

    __tablename__ = "reactions"

    message_id: str = Field(foreign_key="messages.id", primary_key=True)
    entity_id: str = Field(foreign_key="entities.id", primary_key=True)
    emoji: str = Field(primary_key=True)
    created_at: int = big()


class ReadMarker(SQLModel, table=True):
    """Up to which seq somebody has read a channel."""

    __tablename__ = "read_markers"

    channel_id: str = Field(foreign_key="channels.id", primary_key=True)
    entity_id: str = Field(foreign_key="entities.id", primary_key=True)
    seq: int = big()
    updated_at: int = big()


class LogEvent(SQLModel, table=True):
    """One entry of a server's log; ``payload`` is the event as native clients get it, encoded."""

    __tablename__ = "events"
    __table_args__ = (
        Index("events_by_channel", "channel_id", "seq"),
        # A message's own event stands at the message's seq; what came of the message later is found here.
        Index("events_by_message", "message_id", **only_where("kind <> 'message'")),
    )

    server_id: str = Field(foreign_key="servers.id", primary_key=True)
    seq: int = Field(sa_type=BigInteger, primary_key=True)
    channel_id: str
    kind: str
    message_id: str | None = None
    created_at: int = big()
    payload: bytes = Field(sa_type=LargeBinary)


class ConnectionRow(SQLModel, table=True):
    """What a Socket.IO client did to its rooms by itself, so that it finds them again when it comes back.

    ``joined`` holds the channels that it joined beyond its memberships, each with the seq from which on
    it gets their events; ``parted`` those that it left by itself, each with the seq at which.
    ``generation`` counts how often the client has come back: the highest one holds the connection.
    """

    __tablename__ = "connections"

    id: str = Field(primary_key=True)
    server_id: str = Field(foreign_key="servers.id")
    principal_id: str
    generation: int = big()
    joined: dict[str, int] = _json()
    parted: dict[str, int] = _json()
    updated_at: int = Field(default=0, sa_type=BigInteger, index=True)


class IdempotencyRecord(SQLModel, table=True):
    """Which message an author's idempotency key has led to."""

    __tablename__ = "idempotency"

    author_id: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    fingerprint: bytes = Field(sa_type=LargeBinary)
    message_id: str
    created_at: int = Field(default=0, sa_type=BigInteger, index=True)


class ApiKey(SQLModel, table=True):
    """A credential that never expires and can be revoked; only its digest is kept."""

    __tablename__ = "keys"

    id: str = Field(primary_key=True)
    prefix: str
    digest: bytes = Field(sa_type=LargeBinary, unique=True)
    kind: str
    principal_id: str
    name: str
    scopes: str = ""
    created_at: int = big()
    revoked_at: int | None = big(default=None, nullable=True)


class Secret(SQLModel, table=True):
    """What this deployment signs with, shared by all its nodes."""

    __tablename__ = "secrets"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    value: bytes = Field(sa_type=LargeBinary)
    created_at: int = big()


class SignInCode(SQLModel, table=True):
    """A code, good once, that the printed link carries."""

    __tablename__ = "sign_in_codes"

    digest: bytes = Field(sa_type=LargeBinary, primary_key=True)
    principal_id: str
    expires_at: int = big()
