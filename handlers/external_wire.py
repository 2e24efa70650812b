"""What requests about messages of other platforms must look like, and their answers."""

# ruff: noqa: N815 - the wire's spelling

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from pydantic import AliasChoices, BaseModel, Field, model_validator

from handlers import reply_wire
from handlers.parsing import Body
from handlers.reply_wire import TypedAttachments
from handlers.wire import spelled
from rooms.external import ExternalDraft, Received
from rooms.principals import Principal
from rooms.rows import Message
from rooms.rules import (
    MAX_BATCH,
    Content,
    Label,
    Metadata,
    Platform,
    PrincipalId,
    RawMessage,
    Uuid,
    as_stored,
    principal_id,
)

_EXTERNAL = "external"  # the platform of what says of none


class _Told(Body):
    """What a service tells that somebody has said."""

    attachments: TypedAttachments = Field(default_factory=list)
    metadata: Metadata = Field(default_factory=dict)
    agentId: PrincipalId | None = None

    @model_validator(mode="after")
    def _check_agent(self) -> Self:
        """Let the metadata name the agent, too; the field beside them counts first."""
        named = self.metadata.get("agentId")
        if self.agentId is None and named is not None:
            try:
                self.agentId = principal_id(named if isinstance(named, str) else "")
            except ValueError as error:
                raise ValueError(f"Field 'metadata.agentId' {error}") from error
        return self


class ExternalMessage(_Told):
    """What a user of a platform has said there; the ids are the platform's."""

    platform: Platform
    messageId: Label
    channelId: Label
    userId: Label
    content: Content
    displayName: Label | None = spelled("displayName", "userName")

    def draft(self, principal: Principal) -> ExternalDraft:
        """Return what is to be stored."""
        return ExternalDraft(
            principal=principal,
            platform=self.platform,
            message_id=self.messageId,
            channel_id=self.channelId,
            user_id=self.userId,
            content=self.content,
            attachments=as_stored(self.attachments),
            metadata=self.metadata,
            display_name=self.displayName,
            agent_id=self.agentId,
        )


class ExternalLine(_Told):
    """One of several messages, as elizaOS's api-client declares them."""

    id: Label
    authorId: Label
    content: Content


class IngestExternal(_Told):
    """The same as elizaOS's connectors say it, and as its documentation does; or several of one channel."""

    channel_id: Label = Field(validation_alias=AliasChoices("channel_id", "channelId", "roomId"))
    author_id: Label | None = spelled("author_id", "authorId", "userId")
    content: Content | None = spelled("content", "text")
    messages: list[ExternalLine] | None = Field(None, min_length=1, max_length=MAX_BATCH)
    server_id: Uuid | None = spelled("server_id", "message_server_id", "serverId", "messageServerId")
    author_display_name: Label | None = None
    source_type: Platform = Field(
        _EXTERNAL, validation_alias=AliasChoices("source_type", "sourceType", "platform")
    )
    source_id: Label | None = None
    messageId: Label | None = None
    raw_message: RawMessage = Field(default_factory=dict)
    in_reply_to_message_id: Uuid | None = None

    @model_validator(mode="after")
    def _check_form(self) -> Self:
        for name in ("author_id", "content"):
            if self.messages is None and getattr(self, name) is None:
                raise ValueError(f"Required field '{name}' is missing")
        return self

    def drafts(self, principal: Principal) -> list[ExternalDraft]:
        """Return what is to be stored, in its order."""
        if self.messages is None:
            return [self._draft(principal)]
        return [self._draft_of(principal, line) for line in self.messages]

    def _draft(self, principal: Principal) -> ExternalDraft:
        return ExternalDraft(
            principal=principal,
            platform=self.source_type,
            message_id=self.messageId or self.source_id,
            channel_id=self.channel_id,
            user_id=self.author_id or "",
            content=self.content or "",
            attachments=as_stored(self.attachments),
            metadata=self.metadata,
            display_name=self.author_display_name,
            agent_id=self.agentId,
            raw_message=self.raw_message,
            parent_id=self.in_reply_to_message_id,
        )

    def _draft_of(self, principal: Principal, line: ExternalLine) -> ExternalDraft:
        return ExternalDraft(
            principal=principal,
            platform=self.source_type,
            message_id=line.id,
            channel_id=self.channel_id,
            user_id=line.authorId,
            content=line.content,
            attachments=as_stored(line.attachments),
            metadata=self.metadata | line.metadata,
            agent_id=line.agentId or self.agentId,
        )


class Processed(BaseModel):
    """What came of a message: the reply, or why there is none, or none yet."""

    messageId: str = Field(description="the stored message's")
    channelId: str = Field(description="of the channel that the platform's is here")
    response: str | None = Field(description="what the agent says; null if that is nothing, or nothing yet")
    status: str = Field(description="the state of the run; ignored without one")
    reason: str | None
    runId: str | None
    agentResponse: dict[str, Any] | None


class Stored(BaseModel):
    """Where a message was stored, or the last one of several."""

    messageId: str
    channelId: str
    processed: int = Field(description="how many there were")


class Ingested(BaseModel):
    """That a message was taken, as elizaOS's servers say it."""

    success: bool
    message: str
    data: Stored


def processed(received: Received, answer: Message | None) -> dict[str, Any]:
    """Return what came of a message, whose run is as it is now."""
    message = received.message
    return {
        "messageId": message.id,
        "channelId": message.channel_id,
        "response": answer.content if answer else None,
        **reply_wire.outcome(received.run, answer),
    }


def ingested(stored: Sequence[Message]) -> dict[str, Any]:
    """Return that messages were taken."""
    last = stored[-1]
    return {
        "success": True,
        "message": "Message ingested and published to bus",
        "data": {"messageId": last.id, "channelId": last.channel_id, "processed": len(stored)},
    }
