"""The published contract of runs: what requests must look like, and what answers look like."""

# ruff: noqa: N815 - the wire's spelling

from __future__ import annotations

import enum
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, StrictBool, StrictInt, StrictStr, model_validator

from handlers import answers
from handlers.parsing import Body
from handlers.wire import spelled
from rooms.rules import MAX_AGENT_CONTENT, Content, Label, PrincipalId, Uuid

Fence = Annotated[StrictInt, Field(ge=1)]
Holder = Annotated[Label, Field(max_length=128)]


class Claim(Body):
    """Who of an agent's processes takes a run."""

    holder: Holder | None = None


class Progress(Body):
    """A sign of a run, from whoever has taken it."""

    fence: Fence | None = None


class Cancel(Body):
    """A run that is not to be done any more."""


class ClaimEvent(Claim):
    """A run that a process of its agent takes."""

    run_id: Uuid


class ProgressEvent(Progress):
    """A sign of a run."""

    run_id: Uuid


class CancelEvent(Cancel):
    """A run that is not to be done any more."""

    run_id: Uuid


class Chunk(Body):
    """A piece of a reply, from whoever has taken the run; chunks are counted from 0."""

    index: Annotated[StrictInt, Field(ge=0, le=MAX_AGENT_CONTENT)]
    chunk: Content
    fence: Fence | None = None


class ChunkEvent(Chunk):
    """A piece of the reply that will have the id."""

    message_id: Uuid
    channel_id: Uuid


class CompletionStatus(enum.StrEnum):
    """How a run has ended, in elizaOS's words."""

    COMPLETED = "completed"
    FAILED = "failed"


class Complete(Body):
    """The end of a run: by its id, by its prompt, or, as elizaOS's agents say it, in a channel.

    elizaOS's client names a message, which the run is about, or which is its reply. ``response`` is the
    reply; with ``failed`` there is none, because something went wrong.
    """

    run_id: Uuid | None = None
    fence: Fence | None = None
    agentId: PrincipalId | None = None
    roomId: Uuid | None = None
    userId: PrincipalId | None = None
    prompt: StrictStr | None = None
    channel_id: Uuid | None = None
    server_id: Uuid | None = spelled("server_id", "message_server_id", "serverId", "messageServerId")
    messageId: Uuid | None = None
    status: CompletionStatus | None = None
    response: Content | None = None
    failed: StrictBool = False

    @property
    def has_failed(self) -> bool:
        """Tell whether something went wrong."""
        return self.failed or self.status is CompletionStatus.FAILED

    @model_validator(mode="after")
    def _check_form(self) -> Self:
        if self.run_id is None and self.channel_id is None and self.messageId is None:
            for name in ("agentId", "roomId", "userId", "prompt"):
                if getattr(self, name) is None:
                    raise ValueError(f"Required field '{name}' is missing")
        return self


class Run(BaseModel):
    """One agent's processing of one message; times are epoch milliseconds."""

    id: str
    server_id: str
    channel_id: str
    message_id: str
    agent_id: str
    user_id: str = Field(description="who wrote the message")
    reply_id: str = Field(description="the id that the reply has, or will have")
    state: str
    reason: str | None
    hops: int = Field(description="how many agents' messages lead to the reply, with itself")
    created_at: int
    updated_at: int
    due_at: int | None = Field(
        None, description="when it ends unless something happens; missing once it is over"
    )


class Runs(BaseModel):
    """Runs, the newest first."""

    runs: list[Run]


class Envelope(BaseModel):
    """A run that was taken, with its message; ``fence`` proves who has taken it."""

    run: Run
    fence: int
    message: dict[str, Any]


class Inbox(answers.Events):
    """What an agent has to do (``run``, with the run and its message) or to leave alone (``run_ended``)."""


class Completed(BaseModel):
    """The text of the reply, empty if the agent has said nothing, and the run if there was one."""

    success: bool = Field(description="what elizaOS's client reads")
    response: str
    run: Run | None


class Said(BaseModel):
    """How far a reply has come: ``next`` is the index of the chunk that is to come."""

    run_id: str
    message_id: str = Field(description="the id that the reply will have")
    next: int
    fence: int = Field(description="proves who has taken the run")
