"""The published contract of what elizaOS's clients say in channels."""

# ruff: noqa: N815 - the wire's spelling

from __future__ import annotations

from pydantic import Field

from handlers import answers
from handlers.reply_wire import Answered, Transported, TypedAttachments
from handlers.wire import spelled
from rooms.rules import Content, IdempotencyKey, Label, Metadata, PrincipalId, RawMessage, Uuid

DEFAULT_SOURCE = "eliza_gui"


class Post(Transported):
    """A message for a channel; without ``author_id`` the principal itself is the author."""

    content: Content
    author_id: PrincipalId | None = spelled("author_id", "authorId")
    server_id: Uuid | None = spelled("message_server_id", "messageServerId", "server_id", "serverId")
    in_reply_to_message_id: Uuid | None = spelled("in_reply_to_message_id", "inReplyToMessageId")
    source_type: Label | None = spelled("source_type", "sourceType")
    raw_message: RawMessage = Field(default_factory=dict)
    metadata: Metadata = Field(default_factory=dict)
    attachments: TypedAttachments = Field(default_factory=list)
    messageId: IdempotencyKey | None = None


class PostedMessage(answers.Message, Answered):
    """The stored message, and what came of it."""


class Posted(Answered):
    """What came of the message, and in ``data`` the message beside it: clients read either."""

    success: bool
    data: PostedMessage
