"""Edits: finding the events that tell of a message."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_index(
        "events_by_message",
        "events",
        ["message_id"],
        unique=False,
        sqlite_where=sa.text("kind <> 'message'"),
        postgresql_where=sa.text("kind <> 'message'"),
    )
