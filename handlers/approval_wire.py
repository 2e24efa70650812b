"""The published contract of approvals: what requests must look like, and what answers look like."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    StrictFloat,
    StrictStr,
    model_validator,
)

from handlers.parsing import Body, Moment
from rooms.approvals import Request
from rooms.rules import (
    MAX_ALLOWED,
    MAX_APPROVAL_MS,
    MAX_OPTIONS,
    MIN_APPROVAL_MS,
    MIN_OPTIONS,
    Option,
    PrincipalId,
    Uuid,
)


def _distinct(options: list[str]) -> list[str]:
    if len(set(options)) < len(options):
        raise ValueError("must differ from each other")
    return options


Seconds = Annotated[StrictFloat, Field(ge=MIN_APPROVAL_MS / 1000, le=MAX_APPROVAL_MS / 1000)]


class AskApproval(Body):
    """What a message asks people for: until a time, or for so many seconds."""

    options: Annotated[
        list[Option], Field(min_length=MIN_OPTIONS, max_length=MAX_OPTIONS), AfterValidator(_distinct)
    ]
    expires_at: Moment | None = None
    expires_in: Seconds | None = None
    allowed: Annotated[list[PrincipalId], Field(max_length=MAX_ALLOWED)] = Field(default_factory=list)
    run_id: Uuid | None = None

    @model_validator(mode="after")
    def _check_end(self) -> Self:
        if (self.expires_at is None) == (self.expires_in is None):
            raise ValueError("must have either 'expires_at' or 'expires_in'")
        return self

    def request(self) -> Request:
        """Return it as the domain has it."""
        return Request(
            options=self.options,
            expires_at=self.expires_at,
            lasts_ms=round((self.expires_in or 0) * 1000),
            allowed=list(dict.fromkeys(self.allowed)),
            run_id=self.run_id,
        )


class Resolve(Body):
    """The option that somebody chooses."""

    option: StrictStr


class ResolveEvent(Resolve):
    """The option that somebody chooses, and of which message."""

    message_id: Uuid


class Approval(BaseModel):
    """What a message asks people for, and what came of that; times are epoch milliseconds."""

    id: str = Field(description="the message's")
    options: list[str]
    state: str = Field(description="requested, resolved, expired or cancelled")
    choice: str | None
    resolved_by: str | None
    expires_at: int
    allowed: list[str] = Field(description="who may decide; if it is empty, every user who may post")


class ApprovalInPlace(BaseModel):
    """An approval, where it was asked for, and the run that waits for it."""

    server_id: str
    channel_id: str
    message_id: str
    run_id: str | None
    approval: Approval


class Approvals(BaseModel):
    """Approvals, the newest first."""

    approvals: list[ApprovalInPlace]
