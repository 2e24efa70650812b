"""What is said in sessions, as elizaOS's clients say and read it."""

# ruff: noqa: N815 - the wire's spelling

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from handlers.reply_wire import Answered, Transported, TypedAttachments
from rooms import timeouts, times
from rooms.conversations import Page
from rooms.rows import Message, Session
from rooms.rules import Content, IdempotencyKey, Metadata


class SendMessage(Transported):
    """What the user of a session says."""

    content: Content
    attachments: TypedAttachments = Field(default_factory=list)
    metadata: Metadata = Field(default_factory=dict)
    messageId: IdempotencyKey | None = None


class SessionStatus(BaseModel):
    """How long the session lasts since the message."""

    expiresAt: str
    renewalCount: int
    wasRenewed: bool
    isNearExpiration: bool


class Line(BaseModel):
    """A message as it was first answered, without anything around it."""

    id: str
    content: str
    authorId: str
    isAgent: bool
    createdAt: str
    metadata: dict[str, Any]


class Exchange(Line, Answered):
    """What was said, and what came of it."""

    success: bool
    sessionStatus: SessionStatus


class Sent(Exchange):
    """The same alone, and in ``data``: clients read either."""

    data: Exchange


class Ends(BaseModel):
    """The times, in epoch milliseconds, of the oldest and the newest message of a page."""

    before: int
    after: int


class Transcript(BaseModel):
    """A page of what was said, the newest first."""

    messages: list[Line]
    hasMore: bool
    cursors: Ends | None = Field(None, description="missing for an empty page")


def line(stored: Message) -> dict[str, Any]:
    """Return a message as it was first answered."""
    return {
        "id": stored.id,
        "content": stored.content,
        "authorId": stored.author_id,
        "isAgent": stored.by_agent,
        "createdAt": times.iso(stored.created_at),
        "metadata": stored.details,
    }


def status(session: Session, now: int) -> dict[str, Any]:
    """Return how long the session lasts since a message, which has renewed it unless it does not."""
    return {
        "expiresAt": times.iso(session.expires_at),
        "renewalCount": session.renewals,
        "wasRenewed": session.auto_renew,
        "isNearExpiration": timeouts.is_near(session, now),
    }


def transcript(page: Page) -> dict[str, Any]:
    """Return a page of what was said."""
    messages = page.messages
    ends = {"before": messages[-1].created_at, "after": messages[0].created_at} if messages else None
    return {
        "messages": [line(message) for message in messages],
        "hasMore": page.has_more,
        **({"cursors": ends} if ends else {}),
    }
