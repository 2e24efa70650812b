"""The published contract of titles."""

# ruff: noqa: N815 - the wire's spelling

from __future__ import annotations

from pydantic import BaseModel, Field

from handlers.parsing import Body
from rooms.rules import PrincipalId


class GenerateTitle(Body):
    """The agent that may know a title."""

    agentId: PrincipalId


class Title(BaseModel):
    """What a channel may be called."""

    title: str | None
    channelId: str
    reason: str | None = Field(None, description="why there is no title; missing otherwise")
