"""What requests about people, and about what they think of messages, must look like, and their answers."""

from __future__ import annotations

from pydantic import BaseModel

from handlers.wire import Body
from rooms.rules import Handle, Label


class Rename(Body):
    """What somebody is to be called; ``handle: null`` gives the handle up."""

    name: Label | None = None
    handle: Handle | None = None


class Person(BaseModel):
    """Somebody as the registry knows it."""

    id: str
    kind: str
    name: str
    handle: str | None
