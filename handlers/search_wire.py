"""The published contract of searching, as elizaOS's client asks for it."""

# ruff: noqa: N815 - the wire's spelling

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, StrictInt

from handlers import answers
from handlers.parsing import Body, Moment
from handlers.wire import spelled
from rooms.rules import DEFAULT_PAGE, MAX_PAGE, Note, PrincipalId, Uuid

MAX_OFFSET = 10_000


Time = Annotated[Moment, Field(ge=0, le=10**15)]


class SearchMessages(Body):
    """What is looked for; ``page`` counts pages from 1, where no ``offset`` is given."""

    query: Note | None = None
    channelId: Uuid | None = spelled("channelId", "channel_id", "roomId")
    messageServerId: Uuid | None = spelled("messageServerId", "message_server_id", "serverId", "server_id")
    authorId: PrincipalId | None = spelled("authorId", "author_id")
    since: Time | None = spelled("from")
    until: Time | None = spelled("to")
    limit: Annotated[StrictInt, Field(ge=1)] = DEFAULT_PAGE
    offset: Annotated[StrictInt, Field(ge=0, le=MAX_OFFSET)] | None = None
    page: Annotated[StrictInt, Field(ge=1, le=MAX_OFFSET)] | None = None

    @property
    def size(self) -> int:
        """How many messages a page has at most."""
        return min(self.limit, MAX_PAGE)

    @property
    def skipped(self) -> int:
        """How many of the messages that are found are passed over."""
        return self.offset if self.offset is not None else ((self.page or 1) - 1) * self.size


class FoundPage(BaseModel):
    """Which page of what was found it is."""

    limit: int
    offset: int
    hasMore: bool


class Findings(BaseModel):
    """What was found, the newest first."""

    messages: list[answers.Message]
    pagination: FoundPage
    searchedTo: int | None = Field(
        description="epoch milliseconds, if older messages were not looked at: the next search's ``to``"
    )
