"""What requests about people, and about what they think of messages, must look like, and their answers."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, model_validator

from handlers.wire import Body
from rooms.rules import Handle, Label


class Rename(Body):
    """What somebody is to be called; ``handle: null`` gives the handle up."""

    name: Label | None = None
    handle: Handle | None = None

    @model_validator(mode="after")
    def _check_that_something_is_named(self) -> Self:
        if self.name is None and "handle" not in self.model_fields_set:
            raise ValueError("The body must have a 'name' or a 'handle'")
        return self


class Person(BaseModel):
    """Somebody as the registry knows it."""

    id: str
    kind: str
    name: str
    handle: str | None
