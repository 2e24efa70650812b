"""The published contract of agents: what requests must look like, and what answers look like."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Pause(BaseModel):
    """Whether agents go on in a channel."""

    channel_id: str
    agents_paused: str | None = Field(description="why they do not: hops, repetition, pair or share")
