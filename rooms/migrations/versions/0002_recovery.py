"""Recovery: where a log begins, what was deleted, and what connections had joined by themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("servers", sa.Column("floor_seq", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("messages", sa.Column("deleted_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "connections",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("server_id", sa.String(), nullable=False),
        sa.Column("principal_id", sa.String(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("joined", sa.JSON(), nullable=False),
        sa.Column("parted", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_connections_updated_at"), "connections", ["updated_at"], unique=False)
