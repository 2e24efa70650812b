"""The published contract of messages whose replies are waited for, as elizaOS's clients read it."""

# ruff: noqa: N815 - the wire's spelling

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, Field

from handlers import wire
from handlers.parsing import Body
from handlers.wire import Dialect
from rooms import runs, times
from rooms.rows import Message, Run
from rooms.rules import Attachments
from rooms.runs import State

NO_AGENTS = "no_agents"  # why there is no reply, where nobody is there to give one


class Transport(enum.StrEnum):
    """How the agent's reply is wanted: as the answer, as a stream, or elsewhere."""

    HTTP = "http"
    SSE = "sse"
    WEBSOCKET = "websocket"

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        """Know the words of clients that said ``mode``."""
        return {"sync": cls("http"), "stream": cls("sse")}.get(str(value))


def _typed(value: Any) -> Any:
    """Return attachments with their types where Parley has them."""
    if not isinstance(value, list):
        return [] if value is None else value
    return [
        {"contentType": one["type"], **one} if isinstance(one, dict) and "type" in one else one
        for one in value
    ]


TypedAttachments = Annotated[Attachments, BeforeValidator(_typed)]


class Transported(Body):
    """A message, and how its reply is wanted."""

    transport: Transport | None = Field(None, description="sync and stream are other words for http and sse")
    mode: Transport | None = Field(None, description="the same, as earlier clients say it")

    @property
    def wanted(self) -> Transport:
        """How the reply is wanted; ``transport`` counts if both are there."""
        return self.transport or self.mode or Transport.WEBSOCKET


class Answered(BaseModel):
    """What came of a message; ``agentResponse`` only if it was waited for."""

    userMessage: dict[str, Any]
    agentResponse: dict[str, Any] | None = None
    status: str | None = Field(None, description="the state of the run, if its reply was waited for")
    reason: str | None = None
    runId: str | None = None


def bus_message(stored: Message) -> dict[str, Any]:
    """Return a message as elizaOS's servers pass it on."""
    return {**wire.message(stored, Dialect.ELIZA), "author_display_name": stored.author_name}


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
        "createdAt": times.iso(stored.created_at),
    }


def outcome(run: Run | None, answer: Message | None) -> dict[str, Any]:
    """Return what came of a message: the reply, or why there is none, or none yet."""
    return {
        "agentResponse": reply(answer) if answer else None,
        "status": run.state if run else State.IGNORED,
        "reason": run.reason if run else NO_AGENTS,
        "runId": run.id if run else None,
    }


def foremost(found: Sequence[Run]) -> Run | None:
    """Return the run that counts: the first with a reply, one that may still get one, or what went wrong."""
    return min(found, key=lambda run: (_rank(run), run.updated_at), default=None)


def _rank(run: Run) -> int:
    if run.state == State.COMPLETED:
        return 0
    if not runs.is_over(run):
        return 1
    return 3 if run.state == State.IGNORED else 2


def is_told(found: Sequence[Run]) -> bool:
    """Tell whether there is a reply, or will be none."""
    run = foremost(found)
    return run is None or runs.is_over(run)


def is_answered(run: Run) -> bool:
    """Tell whether the run has ended with nothing going wrong."""
    return run.state in (State.COMPLETED, State.IGNORED)
