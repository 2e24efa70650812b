"""The published contract of agents: what requests must look like, and what answers look like."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, Field, StrictBool, StrictInt, model_validator

from handlers.parsing import Body
from handlers.wire import ChannelEvent
from rooms.rules import Capability, Description, Handle, Label, Metadata, Note, PrincipalId

MOST_CAPABILITIES = 50
MOST_MINUTES = 366 * 24 * 60
LATEST_END = 2**53  # in milliseconds; every client can count so far


def _unique(words: list[str]) -> list[str]:
    return list(dict.fromkeys(words))


Capabilities = Annotated[list[Capability], Field(max_length=MOST_CAPABILITIES), AfterValidator(_unique)]


class ChangeAgent(Body):
    """What is to be said of an agent from now on; ``handle: null`` gives the handle up."""

    name: Label | None = None
    handle: Handle | None = None
    bio: Description | None = None
    capabilities: Capabilities | None = None
    settings: Metadata | None = None
    is_active: StrictBool | None = None


class Agent(BaseModel):
    """An agent as the registry knows it."""

    id: str
    name: str
    handle: str | None
    bio: str
    is_active: bool = Field(description="it is addressed by messages")
    status: str = Field(description="active or inactive: the same in elizaOS's words")
    capabilities: list[str]
    settings: dict[str, Any] | None = Field(None, description="for itself and who may change it")
    connected: bool = Field(description="to this node, by a socket, a stream or by waiting")
    created_at: int


class Agents(BaseModel):
    """Agents: the active ones first, then by name."""

    agents: list[Agent]


class MuteAgent(Body):
    """Why an agent is not to answer, and until when: for some minutes, until a time, or for good."""

    reason: Note = ""
    minutes: Annotated[StrictInt, Field(ge=1, le=MOST_MINUTES)] | None = None
    until: Annotated[StrictInt, Field(ge=0, le=LATEST_END)] | None = None

    @model_validator(mode="after")
    def _check_that_there_is_one_end(self) -> Self:
        if self.minutes is not None and self.until is not None:
            raise ValueError("The body must not have both 'minutes' and 'until'")
        return self


class AgentEvent(ChannelEvent):
    """An event about an agent in a channel."""

    agent_id: PrincipalId


class MuteEvent(AgentEvent, MuteAgent):
    """An agent that is not to answer in a channel."""


class Muted(BaseModel):
    """That an agent is not to answer in a channel unless it is mentioned; times are epoch milliseconds."""

    channel_id: str
    agent_id: str
    reason: str
    until: int | None = Field(description="null: until somebody ends it")
    by: str = Field(description="who has muted it")
    created_at: int


class Mutes(BaseModel):
    """Who is muted in a channel, since the longest first."""

    mutes: list[Muted]


class Unmuted(BaseModel):
    """An agent that may answer in a channel again."""

    channel_id: str
    agent_id: str


class Pause(BaseModel):
    """Whether agents go on in a channel."""

    channel_id: str
    agents_paused: str | None = Field(description="why they do not: hops, repetition, pair or share")
