"""The table of platforms; see :mod:`rooms.tables` for how ids and times are kept."""

from __future__ import annotations

from sqlalchemy import JSON
from sqlmodel import Field, SQLModel

from rooms.tables import big


class Platform(SQLModel, table=True):
    """A place elsewhere in which an agent answers; ``secrets`` are their names in the vault, by their use."""

    __tablename__ = "platforms"

    id: str = Field(primary_key=True)
    kind: str
    agent_id: str = Field(foreign_key="entities.id")
    secrets: dict[str, str] = Field(default_factory=dict, sa_type=JSON, nullable=False)
    api_url: str  # where replies are sent; empty: nowhere
    created_at: int = big()
    updated_at: int = big()
