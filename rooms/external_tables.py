"""The table of what is said elsewhere; see :mod:`rooms.tables` for how ids and times are kept."""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from rooms.tables import big


class ExternalChannel(SQLModel, table=True):
    """Which channel a platform's channel is, for one agent.

    ``agent_id`` is the agent that was named, or empty if none was.
    """

    __tablename__ = "external_channels"
    __table_args__ = (Index("external_by_channel", "channel_id"),)

    platform: str = Field(primary_key=True)
    source_id: str = Field(primary_key=True)  # of the channel on its platform
    agent_id: str = Field(primary_key=True)
    channel_id: str
    created_at: int = big()
