"""Agents have characters, and can be deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("agents", sa.Column("character", sa.JSON(), nullable=True))
    op.add_column("agents", sa.Column("deleted_at", sa.BigInteger(), nullable=True))
