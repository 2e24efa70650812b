"""What is said in sessions, as elizaOS's clients say and read it."""

# ruff: noqa: N815 - the wire's spelling

from __future__ import annotations

import enum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from handlers import session_wire, wire
from handlers.parsing import Body
from handlers.wire import Dialect
from rooms import runs, timeouts
from rooms.conversations import Page
from rooms.rows import Message, Run, Session
from rooms.rules import Attachments, Content, IdempotencyKey, Metadata
from rooms.runs import State


class Transport(enum.StrEnum):
    """How the agent's reply is wanted: as the answer, as a stream, or elsewhere."""

    HTTP = "http"
    SSE = "sse"
    WEBSOCKET = "websocket"


class Mode(enum.StrEnum):
    """The same, as earlier clients say it."""

    SYNC = "sync"
    STREAM = "stream"
    WEBSOCKET = "websocket"


_TRANSPORTS = {Mode.SYNC: Transport.HTTP, Mode.STREAM: Transport.SSE, Mode.WEBSOCKET: Transport.WEBSOCKET}


def _typed(value: Any) -> Any:
    """Return attachments with their types where Parley has them."""
    if not isinstance(value, list):
        return [] if value is None else value
    return [
        {"contentType": one["type"], **one} if isinstance(one, dict) and "type" in one else one
        for one in value
    ]


class SendMessage(Body):
    """What the user of a session says."""

    content: Content
    attachments: Annotated[Attachments, BeforeValidator(_typed)] = Field(default_factory=list)
    metadata: Metadata = Field(default_factory=dict)
    transport: Transport | None = None
    mode: Mode | None = None
    messageId: IdempotencyKey | None = None

    @property
    def wanted(self) -> Transport:
        """How the reply is wanted; ``transport`` counts if both are there."""
        if self.transport is None and self.mode is not None:
            return _TRANSPORTS[self.mode]
        return self.transport or Transport.WEBSOCKET


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


class Exchange(Line):
    """What was said, and what came of it; ``agentResponse`` only if it was waited for."""

    userMessage: dict[str, Any]
    sessionStatus: SessionStatus
    agentResponse: dict[str, Any] | None = None
    status: str | None = Field(None, description="the state of the run, if its reply was waited for")
    reason: str | None = None
    runId: str | None = None


class Sent(Exchange):
    """The same alone, and in ``data``: clients read either."""

    success: bool
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
        "createdAt": session_wire.moment(stored.created_at),
        "metadata": stored.details,
    }


def bus_message(stored: Message) -> dict[str, Any]:
    """Return a message as elizaOS's servers pass it on."""
    return {**wire.message(stored, Dialect.ELIZA), "author_display_name": stored.author_name}


def status(session: Session, now: int) -> dict[str, Any]:
    """Return how long the session lasts since a message, which has renewed it unless it does not."""
    return {
        "expiresAt": session_wire.moment(session.expires_at),
        "renewalCount": session.renewals,
        "wasRenewed": session.auto_renew,
        "isNearExpiration": timeouts.is_near(session, now),
    }


def reply(stored: Message) -> dict[str, Any]:
    """Return an agent's reply; what it thought and did stands there if the agent says it."""
    stated = stored.details | stored.raw_message
    told = {name: value for name, value in stated.items() if name in ("thought", "actions", "providers")}
    return {
        "id": stored.id,
        "text": stored.content,
        **told,
        "attachments": stored.attachments,
        "metadata": stored.details,
        "createdAt": session_wire.moment(stored.created_at),
    }


def outcome(run: Run | None, answer: Message | None) -> dict[str, Any]:
    """Return what came of a message: the reply, or why there is none, or none yet."""
    return {
        "agentResponse": reply(answer) if answer else None,
        "status": run.state if run else State.IGNORED,
        "reason": run.reason if run else None,
        "runId": run.id if run else None,
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


def is_answered(run: Run) -> bool:
    """Tell whether the run has ended with nothing going wrong."""
    return runs.is_over(run) and run.state in (State.COMPLETED, State.IGNORED)
