"""Channels and message servers that were deleted, and the agents of a server."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_WITH_SOURCE = sa.text("source_id IS NOT NULL")


def upgrade() -> None:
    for table in ("servers", "channels"):
        op.add_column(table, sa.Column("deleted_at", sa.BigInteger(), nullable=True))
    op.create_index(
        "channels_by_source",
        "channels",
        ["server_id", "source_id"],
        sqlite_where=_WITH_SOURCE,
        postgresql_where=_WITH_SOURCE,
    )
    op.create_table(
        "server_agents",
        sa.Column("server_id", sa.String(), sa.ForeignKey("servers.id"), nullable=False),
        sa.Column("agent_id", sa.String(), sa.ForeignKey("entities.id"), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("server_id", "agent_id"),
    )
