"""What the events of elizaOS's clients must look like; what they are told: :mod:`handlers.eliza_words`."""

# ruff: noqa: N815 - the wire's spelling

from __future__ import annotations

from pydantic import AliasChoices, Field, StrictBool

from handlers.parsing import Body
from handlers.wire import spelled
from rooms.rules import Attachments, Content, IdempotencyKey, Label, Metadata, PrincipalId, Uuid


class Join(Body):
    """A room to join: the payload of a message of type 1."""

    channelId: Uuid = Field(validation_alias=AliasChoices("channelId", "roomId"))
    agentId: Label | None = None


class Typing(Body):
    """That somebody begins or stops to type; who that is, the connection says."""

    channelId: Uuid = Field(validation_alias=AliasChoices("channelId", "roomId"))
    isTyping: StrictBool = True


class Send(Body):
    """What somebody says: the payload of a message of type 2."""

    channelId: Uuid = Field(validation_alias=AliasChoices("channelId", "roomId"))
    senderId: PrincipalId | None = spelled("senderId", "author_id")
    message: Content
    messageServerId: Uuid | None = spelled("messageServerId", "message_server_id", "serverId", "server_id")
    senderName: Label | None = None
    messageId: IdempotencyKey | None = None
    source: Label = "socketio_client"
    attachments: Attachments | None = None
    metadata: Metadata = Field(default_factory=dict)
    targetUserId: PrincipalId | None = None
