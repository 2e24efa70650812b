"""Platforms, and replies on their way to them."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def _where(condition: str) -> dict[str, sa.TextClause]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    op.create_table(
        "platforms",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("agent_id", sa.String(), sa.ForeignKey("entities.id"), nullable=False),
        sa.Column("secrets", sa.JSON(), nullable=False),
        sa.Column("api_url", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.add_column("deliveries", sa.Column("platform_id", sa.String(), nullable=True))
    op.add_column("deliveries", sa.Column("address", sa.JSON(), nullable=True))
    op.add_column("deliveries", sa.Column("sent", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("deliveries_waiting", "deliveries", ["run_id"], **_where("state = 'waiting'"))
    op.create_index(
        "deliveries_by_platform", "deliveries", ["platform_id", "id"], **_where("platform_id IS NOT NULL")
    )
