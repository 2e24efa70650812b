"""What requests about people, and about what they think of messages, must look like, and their answers."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, StrictBool, model_validator

from handlers import answers
from handlers.parsing import Body
from handlers.wire import MessageEvent
from rooms.rules import Emoji, Handle, Label


class Rename(Body):
    """What somebody is to be called; ``handle: null`` gives the handle up."""

    name: Label | None = None
    handle: Handle | None = None

    @model_validator(mode="after")
    def _check_that_something_is_named(self) -> Self:
        if self.name is None and "handle" not in self.model_fields_set:
            raise ValueError("The body must have a 'name' or a 'handle'")
        return self


class ReactEvent(MessageEvent):
    """A sign that is to stand at a message, or no longer."""

    emoji: Emoji
    remove: StrictBool = False


class Signs(BaseModel):
    """The signs that stand at a message."""

    message_id: str
    reactions: list[answers.Sign]


class Given(answers.Sign):
    """A sign, and who was first to give it."""

    userIds: list[str]  # noqa: N815 - the wire's spelling


class Givens(BaseModel):
    """The signs that stand at a message, the first one first."""

    reactions: list[Given]


class Person(BaseModel):
    """Somebody as the registry knows it."""

    id: str
    kind: str
    name: str
    handle: str | None
