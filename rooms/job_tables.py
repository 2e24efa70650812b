"""The table of jobs; see :mod:`rooms.tables` for how ids and times are kept."""

from __future__ import annotations

from sqlalchemy import Index, LargeBinary
from sqlmodel import Field, SQLModel

from rooms.tables import big


class Job(SQLModel, table=True):
    """A question to an agent, which is to be answered until ``expires_at``.

    ``state`` is ``open`` until then, also afterwards if there is no answer by then. What was asked and
    answered is in the messages, and nowhere else; they may be gone.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index("jobs_by_time", "created_at", "id"),
        Index("jobs_by_user", "user_id", "created_at", "id"),
        # What lists and counts look at is in these, for those of one state in the order of lists.
        Index("jobs_by_user_and_state", "user_id", "state", "created_at", "id", "expires_at"),
        Index("jobs_by_state", "state", "created_at", "id", "expires_at", "ended_at"),
        Index("jobs_by_channel", "channel_id", unique=True),
    )

    id: str = Field(primary_key=True)
    user_id: str = Field(foreign_key="entities.id")
    agent_id: str = Field(foreign_key="entities.id")
    channel_id: str
    message_id: str
    run_id: str | None = None
    fingerprint: bytes = Field(sa_type=LargeBinary)  # of what was asked, to know it again
    state: str
    reason: str | None = None  # why it has failed
    reply_id: str | None = None
    created_at: int = big()
    expires_at: int = big()
    ended_at: int | None = big(default=None, nullable=True)
