"""What requests about sessions must look like, and their answers, which stand alone."""

# ruff: noqa: N815 - the wire's spelling

from __future__ import annotations

import enum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, StrictBool

from handlers.parsing import Body
from rooms import timeouts, times
from rooms.rows import Session
from rooms.rules import DEFAULT_SERVER_ID, Metadata, PrincipalId
from rooms.timeouts import Wish


class Status(enum.StrEnum):
    """Whether a session has ended."""

    ACTIVE = "active"
    EXPIRED = "expired"


def _minutes(value: object) -> object:
    if value is not None and timeouts.minutes(value) is None:
        raise ValueError("must be a number of minutes")
    return value


Minutes = Annotated[Any, AfterValidator(_minutes)]


class TimeoutConfig(Body):
    """How long a new session is to last, in minutes; what is no number, or too much, is put right."""

    timeoutMinutes: Any = None
    autoRenew: StrictBool | None = None
    maxDurationMinutes: Any = None
    warningThresholdMinutes: Any = None

    @property
    def wish(self) -> Wish:
        """What is wished for."""
        return Wish(
            timeouts.minutes(self.timeoutMinutes),
            self.autoRenew,
            timeouts.minutes(self.maxDurationMinutes),
            timeouts.minutes(self.warningThresholdMinutes),
        )


class ChangeTimeout(TimeoutConfig):
    """How long a session is to last from now on; what is not sent stays as it is."""

    timeoutMinutes: Minutes = None
    maxDurationMinutes: Minutes = None
    warningThresholdMinutes: Minutes = None


class CreateSession(Body):
    """A conversation of a user with an agent."""

    agentId: PrincipalId
    userId: PrincipalId
    metadata: Metadata = Field(default_factory=dict)
    timeoutConfig: TimeoutConfig | None = None


class Terms(BaseModel):
    """How long a session lasts, in minutes."""

    timeoutMinutes: float
    autoRenew: bool
    maxDurationMinutes: float
    warningThresholdMinutes: float


class NewSession(BaseModel):
    """A session that has begun; times are ISO 8601, whatever the credential."""

    sessionId: str
    channelId: str
    agentId: str
    userId: str
    createdAt: str
    metadata: dict[str, Any]
    expiresAt: str
    timeoutConfig: Terms


class Info(NewSession):
    """A session as it is now."""

    lastActivity: str
    renewalCount: int = Field(description="how often its end has been moved")
    timeRemaining: int = Field(description="milliseconds")
    isNearExpiration: bool
    status: str = Field(description=", ".join(Status))


class Stats(BaseModel):
    """How many of the sessions have ended."""

    totalSessions: int
    activeSessions: int
    expiredSessions: int


class Sessions(BaseModel):
    """Sessions, the newest first; ``total`` counts those of other pages, too."""

    sessions: list[Info]
    total: int
    stats: Stats


class Health(BaseModel):
    """How many sessions there are."""

    status: str
    activeSessions: int
    expiringSoon: int
    invalidSessions: int
    timestamp: str
    uptime: float = Field(description="seconds since the server began")


class Ended(BaseModel):
    """That a session is no more."""

    success: bool
    message: str


class DeletedSession(Ended):
    """The same alone, and in ``data``: clients read either."""

    data: Ended


def new_session(session: Session) -> dict[str, Any]:
    """Return a session that has begun."""
    return {
        "sessionId": session.id,
        "channelId": session.channel_id,
        "agentId": session.agent_id,
        "userId": session.user_id,
        "createdAt": times.iso(session.created_at),
        "metadata": session.details,
        "expiresAt": times.iso(session.expires_at),
        "timeoutConfig": timeouts.described(session),
    }


def info(session: Session, now: int) -> dict[str, Any]:
    """Return a session as it is now."""
    return new_session(session) | {
        "lastActivity": times.iso(session.active_at),
        "renewalCount": session.renewals,
        "timeRemaining": max(0, session.expires_at - now),
        "isNearExpiration": timeouts.is_near(session, now),
        "status": Status.EXPIRED if timeouts.is_over(session, now) else Status.ACTIVE,
    }


def notice(session: Session, now: int) -> dict[str, Any]:
    """Return what those in a session's channel are told of its end."""
    return {
        "session_id": session.id,
        "sessionId": session.id,
        "channel_id": session.channel_id,
        "server_id": DEFAULT_SERVER_ID,
        "expiresAt": times.iso(session.expires_at),
        "timeRemaining": max(0, session.expires_at - now),
    }
