"""What stands in ``data`` of each answer, for the documentation and for the tests that hold it true."""

# ruff: noqa: N815 - the wire's spelling

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, RootModel

from handlers.approval_wire import Approval

Time = int | str  # epoch seconds with a Bearer credential, ISO 8601 otherwise


class Mention(BaseModel):
    """A part of a message's text that mentions somebody, or that says why it does not."""

    text: str
    name: str
    id: str | None = None
    reason: str | None = Field(None, description="ambiguous: several participants have this name")


class Sign(BaseModel):
    """A sign that people gave to a message."""

    emoji: str
    count: int
    mine: bool = Field(description="you are among them")


class Message(BaseModel):
    """A stored message."""

    id: str
    seq: int = Field(description="position in the log of the server")
    text: str
    userId: str | None
    agentId: str | None
    roomId: str
    createdAt: Time
    created_at: int = Field(description="epoch milliseconds")
    metadata: dict[str, Any]
    server_id: str
    channel_id: str
    author_id: str
    authorName: str
    source_type: str
    raw_message: dict[str, Any]
    in_reply_to_message_id: str | None
    root_id: str | None = Field(description="the message that begins the thread in which it answers")
    reply_count: int = Field(description="answers in the thread that it begins")
    attachments: list[dict[str, Any]]
    mentions: list[Mention]
    reactions: list[Sign]
    approval: Approval | None = Field(None, description="what it asks people for; missing otherwise")
    deleted: bool = Field(False, description="it was, and what it said is gone; missing otherwise")


class DeletedMessage(BaseModel):
    """What is left of a message."""

    id: str
    channel_id: str
    deleted: bool


class Failure(BaseModel):
    """What went wrong."""

    code: str
    message: str
    details: str


class Item(BaseModel):
    """The outcome of one message of a batch, in the place where the message stood."""

    success: bool
    data: Message | None = None
    error: Failure | None = None


class Batch(RootModel[list[Item]]):
    """One outcome for each message."""


class Pagination(BaseModel):
    """Which page it is."""

    limit: int
    offset: int
    total: int


class Cursors(BaseModel):
    """Where the page begins and ends: good as ``before`` and ``after`` of the next request."""

    before: str | None
    after: str | None


class History(BaseModel):
    """A page of a channel's messages."""

    messages: list[Message]
    pagination: Pagination
    cursors: Cursors


class Thread(History):
    """A page of the answers in a thread, and the message that it begins with, or what is left of it."""

    root: Message | DeletedMessage | None = Field(
        description="null for whoever may read only what was said later"
    )


class Server(BaseModel):
    """A message server."""

    id: str
    name: str
    sourceType: str
    sourceId: str | None
    metadata: dict[str, Any]
    seq: int
    createdAt: Time
    created_at: int


class Servers(BaseModel):
    """Message servers, the oldest first."""

    messageServers: list[Server]


class Channel(BaseModel):
    """A channel."""

    id: str
    name: str
    serverId: str
    type: str
    description: str
    metadata: dict[str, Any]
    joinable: bool
    seq: int
    createdAt: Time
    created_at: int


class Channels(BaseModel):
    """Channels, the newest first."""

    channels: list[Channel]


class ChannelTwice(Channel):
    """A channel, as ``data`` and as ``data.channel``: clients read either."""

    channel: Channel


class DescribedChannel(ChannelTwice):
    """A channel as it is now."""

    agents_paused: str | None = Field(
        description="why agents' messages open no runs: hops, repetition, pair or share"
    )


class Participant(BaseModel):
    """Somebody in a channel."""

    userId: str
    channelId: str
    role: str
    joinedAt: Time
    kind: str
    name: str
    handle: str | None


class AddedParticipant(BaseModel):
    """The participant that was added, or was there already."""

    participant: Participant


class ParticipantList(BaseModel):
    """Participants in the order in which they joined."""

    participants: list[Participant]


class Participants(RootModel[ParticipantList | list[str]]):
    """Described participants with a Bearer credential, their ids otherwise."""


class RemovedParticipant(BaseModel):
    """The participation that has ended."""

    channelId: str
    userId: str


class Resync(BaseModel):
    """Why a client cannot go on from where it was, and the oldest cursor that can be gone on from."""

    reason: str
    oldest: str


class Event(BaseModel):
    """One event of the log, and the cursor of whoever has seen it."""

    event: str
    data: dict[str, Any]
    cursor: str


class Events(BaseModel):
    """What comes next in the log; ``cursor`` is good as ``after`` of the next request."""

    events: list[Event]
    cursor: str
    resync_required: Resync | None = None


class Ticket(BaseModel):
    """What begins a stream in place of a credential, within so many seconds."""

    ticket: str
    expires_in: int


class SignedIn(BaseModel):
    """A credential, shown this once."""

    token: str
    userId: str


class Status(BaseModel):
    """How the process is."""

    status: str


class SystemConfig(BaseModel):
    """What a client needs to know before it signs in."""

    requiresAuth: bool
    version: str
