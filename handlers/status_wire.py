"""What elizaOS's clients are answered about the server; all of it but the environment stands alone."""

# ruff: noqa: N815 - the wire's spelling

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, RootModel


class Pong(BaseModel):
    """A sign of life."""

    pong: bool
    timestamp: int = Field(description="epoch milliseconds")


class Hello(BaseModel):
    """A sign of life, in words."""

    message: str


class Dependencies(BaseModel):
    """What the server needs."""

    agents: str = Field(description="healthy, or no_agents, which keeps nothing from being stored")


class Healthy(BaseModel):
    """That messages can be stored."""

    status: str
    version: str
    timestamp: str
    uptime: float = Field(description="seconds since the server began")
    dependencies: Dependencies
    agentCount: int = Field(description="active ones")


class AgentCounts(BaseModel):
    """How many agents there are."""

    total: int
    active: int
    inactive: int


class ServerStatus(BaseModel):
    """How many agents there are, and for how long the server has run."""

    status: str
    agentCount: int
    timestamp: str
    agents: AgentCounts
    uptime: float
    version: str


class Listed(BaseModel):
    """Message servers."""

    servers: list[dict[str, Any]]
    count: int
    runtime: dict[str, Any] = Field(description="agents")


class ListedTwice(Listed):
    """Message servers, where each client looks for them."""

    success: bool
    data: Listed


class Version(BaseModel):
    """Which version of elizaOS's API this is, and which of Parley."""

    version: str
    source: str
    timestamp: str
    environment: str
    uptime: float
    parley: str


class Environment(RootModel[dict[str, str]]):
    """The variables of the environment that clients are told: none."""
