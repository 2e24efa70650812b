"""The table of sessions; see :mod:`rooms.tables` for how ids and times are kept."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Index
from sqlmodel import Field, SQLModel

from rooms.tables import big, only_where


class Session(SQLModel, table=True):
    """A user's conversation with an agent, which ends when nobody has gone on with it for a while.

    ``base_at`` is when the timeout began to count, and ``expires_at`` what follows from it. ``due_at`` is
    when somebody has to be told something; it is NULL once all was told.
    """

    __tablename__ = "sessions"
    __table_args__ = (
        Index("sessions_by_user", "user_id", "id"),
        Index("sessions_by_expiry", "expires_at"),
        Index("sessions_due", "due_at", **only_where("due_at IS NOT NULL")),
    )

    id: str = Field(primary_key=True)
    channel_id: str = Field(foreign_key="channels.id")
    agent_id: str = Field(foreign_key="entities.id")
    user_id: str = Field(foreign_key="entities.id")
    details: dict[str, Any] = Field(default_factory=dict, sa_type=JSON, nullable=False)
    timeout_ms: int = big()
    auto_renew: bool = True
    duration_ms: int = big()  # since the creation, however often it is renewed
    warning_ms: int = big()
    renewals: int = big()
    created_at: int = big()
    active_at: int = big()
    beat_at: int | None = big(default=None, nullable=True)  # of the heartbeat that was written last
    base_at: int = big()
    expires_at: int = big()
    due_at: int | None = big(default=None, nullable=True)
