"""Sessions."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_DUE = sa.text("due_at IS NOT NULL")


def _big(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _reference(name: str, target: str) -> sa.Column:
    return sa.Column(name, sa.String(), sa.ForeignKey(target), nullable=False)


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(), nullable=False),
        _reference("channel_id", "channels.id"),
        _reference("agent_id", "entities.id"),
        _reference("user_id", "entities.id"),
        sa.Column("details", sa.JSON(), nullable=False),
        _big("timeout_ms"),
        sa.Column("auto_renew", sa.Boolean(), nullable=False),
        _big("duration_ms"),
        _big("warning_ms"),
        _big("renewals"),
        _big("created_at"),
        _big("active_at"),
        _big("beat_at", nullable=True),
        _big("base_at"),
        _big("expires_at"),
        _big("due_at", nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sessions_by_user", "sessions", ["user_id", "id"])
    op.create_index("sessions_by_expiry", "sessions", ["expires_at"])
    op.create_index("sessions_due", "sessions", ["due_at"], sqlite_where=_DUE, postgresql_where=_DUE)
