"""The published contract: what requests must look like, and what answers look like.

REST speaks two dialects (docs/decisions/0005-rest-dialects.md). A request with ``Authorization:
Bearer`` gets epoch seconds in ``createdAt`` and ``joinedAt`` and history in ascending order; any
other gets ISO times and the newest message first, as elizaOS's clients expect. Times in
``created_at`` are epoch milliseconds in both.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import AliasChoices, BeforeValidator, Field, StrictBool, StrictStr, model_validator

from handlers import bylines
from handlers.approval_wire import AskApproval
from handlers.parsing import Body
from rooms import payloads, times
from rooms.access import Role
from rooms.participants import DM
from rooms.rows import Attendance, Message, Sign
from rooms.rules import (
    MAX_BATCH,
    Attachments,
    Content,
    Description,
    IdempotencyKey,
    Label,
    Metadata,
    PrincipalId,
    RawMessage,
    Uuid,
    channel_name,
)
from rooms.tables import Channel, Server

SEED_CHANNEL_TYPES = frozenset({"text", "voice", DM, "group"})
ELIZA_CHANNEL_TYPES = frozenset(
    {"SELF", "DM", "GROUP", "VOICE_DM", "VOICE_GROUP", "FEED", "THREAD", "WORLD", "FORUM", "API"}
)
PARTICIPANTS = "participantCentralUserIds"

CursorText = Annotated[StrictStr, Field(max_length=200)]


class Dialect(enum.Enum):
    """How a REST client wants times and order."""

    SEED = "seed"
    ELIZA = "eliza"

    def time(self, ms: int) -> int | str:
        """Write a time as ``createdAt`` has it."""
        return ms // 1000 if self is Dialect.SEED else times.iso(ms)


def _without_participants(metadata: object) -> object:
    """Drop what answers add to a channel's metadata, so that what was read can be sent back."""
    if not isinstance(metadata, dict):
        return metadata
    return {name: value for name, value in metadata.items() if name != PARTICIPANTS}


ChannelMetadata = Annotated[Metadata, BeforeValidator(_without_participants)]


def spelled(*names: str) -> Any:
    """Accept a field under several names; the first is the documented one."""
    return Field(default=None, validation_alias=AliasChoices(*names), serialization_alias=names[0])


class SubmitMessage(Body):
    """A message; without ``author_id`` the principal itself is the author.

    ``agentId`` is the author as elizaOS's client names it, which submits agents' replies alone.
    """

    channel_id: Uuid = Field(validation_alias=AliasChoices("channel_id", "channelId"))
    content: Content
    server_id: Uuid | None = spelled("server_id", "message_server_id", "serverId", "messageServerId")
    author_id: PrincipalId | None = spelled("author_id", "authorId")
    agentId: PrincipalId | None = None  # noqa: N815
    in_reply_to_message_id: Uuid | None = spelled("in_reply_to_message_id", "inReplyToMessageId")
    source_type: Label | None = spelled("source_type", "sourceType")
    raw_message: RawMessage = Field(default_factory=dict)
    metadata: Metadata = Field(default_factory=dict)
    attachments: Attachments = Field(default_factory=list)
    approval: AskApproval | None = None
    messageId: IdempotencyKey | None = None  # noqa: N815 - the wire's spelling


class SubmitBatch(Body):
    """Up to 100 messages; each is validated, stored and answered by itself."""

    messages: Annotated[list[Any], Field(min_length=1, max_length=MAX_BATCH)]


class EditMessage(Body):
    """What a message is to say instead."""

    content: Content


class CreateServer(Body):
    """A message server."""

    name: Label
    id: Uuid | None = None
    sourceType: Label = "parley"  # noqa: N815
    sourceId: Label | None = None  # noqa: N815
    metadata: Metadata = Field(default_factory=dict)


class CreateChannel(Body):
    """A channel.

    Without ``participantCentralUserIds``, and a type that only elizaOS has, it is the documented form: the
    name follows the channel naming rules and is unique in its server. Otherwise it is elizaOS's form, whose
    clients make up names with spaces and commas.
    """

    name: Label
    serverId: Uuid = Field(  # noqa: N815
        validation_alias=AliasChoices("serverId", "server_id", "message_server_id", "messageServerId")
    )
    description: Description | None = spelled("description", "topic")
    type: Label | None = None
    participantCentralUserIds: Annotated[list[PrincipalId], Field(max_length=1_000)] | None = None  # noqa: N815
    metadata: ChannelMetadata = Field(default_factory=dict)
    sourceType: Label | None = None  # noqa: N815
    sourceId: Label | None = None  # noqa: N815
    joinable: StrictBool = False
    id: Uuid | None = None

    @property
    def is_documented_form(self) -> bool:
        """Tell whether the channel naming rules bind."""
        return self.participantCentralUserIds is None and self.type not in ELIZA_CHANNEL_TYPES

    @model_validator(mode="after")
    def _check_documented_form(self) -> Self:
        if self.is_documented_form:
            self.name = _name(self.name)
            if self.type is not None and self.type.lower() not in SEED_CHANNEL_TYPES:
                raise ValueError("Field 'type' must be text, voice, dm or group")
        return self


class ChangeChannel(Body):
    """What a channel is to be from now on; what is left out stays. The participants are all of them."""

    name: Label | None = None
    description: Description | None = spelled("description", "topic")
    metadata: ChannelMetadata | None = None
    participantCentralUserIds: Annotated[list[PrincipalId], Field(max_length=10_000)] | None = None  # noqa: N815


def _name(text: str) -> str:
    try:
        return channel_name(text)
    except ValueError as error:
        raise ValueError(f"Field 'name' {error}") from error


class AddParticipant(Body):
    """Somebody who is to take part in a channel."""

    userId: PrincipalId  # noqa: N815
    role: Role = Role.MEMBER


class SignIn(Body):
    """The code out of a sign-in link."""

    code: Annotated[str, Field(min_length=1, max_length=200)]


def sign(given: Sign) -> dict[str, Any]:
    """Return a sign at a message for whoever asks."""
    return {"emoji": given.emoji, "count": given.times, "mine": given.is_mine}


def message(stored: Message, dialect: Dialect, signs: Sequence[Sign] = ()) -> dict[str, Any]:
    """Return a message for REST: the documented fields and elizaOS's row in one object."""
    return {
        "id": stored.id,
        "seq": stored.seq,
        "text": stored.content,
        "userId": None if stored.by_agent else stored.author_id,
        "agentId": stored.author_id if stored.by_agent else None,
        "roomId": stored.channel_id,
        "createdAt": dialect.time(stored.created_at),
        "created_at": stored.created_at,
        "updatedAt": dialect.time(stored.updated_at),
        "updated_at": stored.updated_at,
        "metadata": stored.details if dialect is Dialect.SEED else bylines.metadata(stored),
        "content": stored.content,
        "channelId": stored.channel_id,
        "channel_id": stored.channel_id,
        **server_ids(stored.server_id),
        "authorId": stored.author_id,
        "author_id": stored.author_id,
        "authorName": stored.author_name,
        "sourceType": stored.source_type,
        "source_type": stored.source_type,
        "rawMessage": stored.raw_message,
        "raw_message": stored.raw_message,
        "inReplyToRootMessageId": stored.root_id,
        "in_reply_to_message_id": stored.parent_id,
        "root_id": stored.root_id,
        "reply_count": stored.reply_count,
        "attachments": stored.attachments,
        "mentions": stored.mentions,
        "reactions": [sign(given) for given in signs],
        **({"approval": payloads.approval(stored.approval)} if stored.approval else {}),
        # A repeated submit answers what is left of its message.
        **({"deleted": True} if stored.deleted_at is not None else {}),
    }


def channel(stored: Channel, dialect: Dialect) -> dict[str, Any]:
    """Return a channel for REST: the documented fields and elizaOS's row in one object."""
    return {
        **payloads.channel(stored),
        **server_ids(stored.server_id),
        "topic": stored.topic,
        "joinable": stored.joinable,
        "sourceType": stored.source_type,
        "sourceId": stored.source_id,
        "createdAt": dialect.time(stored.created_at),
        "created_at": stored.created_at,
        "updatedAt": dialect.time(stored.updated_at),
    }


def server(stored: Server, dialect: Dialect) -> dict[str, Any]:
    """Return a message server for REST."""
    return {
        "id": stored.id,
        "name": stored.name,
        "sourceType": stored.source_type,
        "sourceId": stored.source_id,
        "metadata": stored.details,
        "seq": stored.seq,
        "createdAt": dialect.time(stored.created_at),
        "created_at": stored.created_at,
        "updatedAt": dialect.time(stored.updated_at),
    }


def participant(attendance: Attendance, dialect: Dialect) -> dict[str, Any]:
    """Return a participant for REST."""
    return payloads.participant(attendance) | {"joinedAt": dialect.time(attendance.joined_at)}


def server_ids(server_id: str) -> dict[str, str]:
    """Return the server's id under each name that clients know it by."""
    return dict.fromkeys(("serverId", "server_id", "messageServerId", "message_server_id"), server_id)


class ChannelEvent(Body):
    """An event about one channel."""

    channel_id: Uuid


class Join(ChannelEvent):
    """A channel to enter, and the cursor from which on its events are wanted."""

    after: CursorText | None = None


class Heartbeat(Body):
    """A sign of life, of a session or of the connection alone."""

    session_id: Uuid | None = None


class TypingEvent(ChannelEvent):
    """Somebody begins or stops to type."""

    is_typing: StrictBool = True


class MessageEvent(Body):
    """An event about one message: ``delete``."""

    message_id: Uuid


class EditEvent(MessageEvent):
    """What a message is to say instead."""

    content: Content
