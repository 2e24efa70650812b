"""Message servers in elizaOS's words: worlds."""

# ruff: noqa: N815 - the wire's spelling

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, Field, model_validator

from handlers.parsing import Body
from handlers.wire import server_ids
from rooms.rules import Label, Metadata, Note, Uuid
from rooms.tables import Server


class JoinWorld(Body):
    """A world that an agent is to be in: by its id, or a new one by its name."""

    worldId: Uuid | None = None
    name: Label | None = None
    messageServerId: Uuid | None = None
    metadata: Metadata = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_form(self) -> Self:
        if self.worldId is None and self.name is None:
            raise ValueError("Required field 'worldId' is missing")
        return self


class ChangeWorld(Body):
    """How a world is to be described; ``settings`` are kept among its metadata, null takes one away."""

    name: Label | None = None
    metadata: Metadata = Field(default_factory=dict)
    settings: Metadata = Field(default_factory=dict)

    @property
    def patch(self) -> dict[str, Any]:
        """What is to be changed in the metadata."""
        return self.metadata | ({"settings": self.settings} if self.settings else {})


class EnsureWorld(Body):
    """A world that is to be there."""

    name: Label
    description: Note | None = None
    metadata: Metadata = Field(default_factory=dict)


class World(BaseModel):
    """A message server; times are epoch milliseconds."""

    id: str
    name: str
    messageServerId: str
    metadata: dict[str, Any]
    createdAt: int
    updatedAt: int


class Worlds(BaseModel):
    """The message servers that you take part in."""

    worlds: list[World]


class EnsuredWorld(World):
    """A message server, with its id as elizaOS's client reads it."""

    worldId: str


class JoinedWorld(BaseModel):
    """The message server that an agent is in."""

    success: bool
    world: World


class ChangedWorld(BaseModel):
    """A message server as it is described now, and the settings among that."""

    worldId: str
    settings: dict[str, Any]
    world: World


def world(server: Server) -> dict[str, Any]:
    """Return a message server as a world."""
    return {
        "id": server.id,
        "name": server.name,
        **server_ids(server.id),
        "metadata": server.details,
        "createdAt": server.created_at,
        "updatedAt": server.updated_at,
    }


def changed(server: Server) -> dict[str, Any]:
    """Return a world that is described otherwise now."""
    return {
        "worldId": server.id,
        "settings": server.details.get("settings", {}),
        "world": world(server),
    }
