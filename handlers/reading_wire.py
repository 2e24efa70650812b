"""What requests about reading must look like, and their answers."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, Field, StrictInt, model_validator

from handlers.parsing import Body
from rooms.rules import Uuid

Seq = Annotated[StrictInt, Field(ge=0)]


class ReadChannel(Body):
    """Up to where a channel was read: an event's ``seq``, or a message."""

    seq: Seq | None = None
    message_id: Uuid | None = None

    @model_validator(mode="after")
    def _check_that_there_is_a_place(self) -> Self:
        if (self.seq is None) is (self.message_id is None):
            raise ValueError("The body must have either a 'seq' or a 'message_id'")
        return self


class ReadEvent(ReadChannel):
    """Up to where a channel was read; a message knows its channel."""

    channel_id: Uuid | None = None

    @model_validator(mode="after")
    def _check_that_there_is_a_channel(self) -> Self:
        if self.message_id is None and self.channel_id is None:
            raise ValueError("Required field 'channel_id' is missing")
        return self


class Unread(BaseModel):
    """Up to where a channel was read, and what came since; counts end at 1,000."""

    channel_id: str
    seq: int
    unread: int = Field(description="messages of others; 1,000 if there are more")
    mentions: int = Field(description="of you in what is unread; 1,000 if there are more")


class Unreads(BaseModel):
    """The channels that one takes part in, the newest first."""

    channels: list[Unread]
