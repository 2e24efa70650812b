"""The published contract of agents: what requests must look like, and what answers look like."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, Field, StrictInt, model_validator

from handlers.wire import Body, ChannelEvent
from rooms.rules import Note, PrincipalId

MOST_MINUTES = 366 * 24 * 60
BIGGEST_TIME = 2**53  # in milliseconds; every client can count so far


class MuteAgent(Body):
    """Why an agent is not to answer, and until when: for some minutes, until a time, or for good."""

    reason: Note = ""
    minutes: Annotated[StrictInt, Field(ge=1, le=MOST_MINUTES)] | None = None
    until: Annotated[StrictInt, Field(ge=0, le=BIGGEST_TIME)] | None = None

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
