"""Jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), sa.ForeignKey("entities.id"), nullable=False),
        sa.Column("agent_id", sa.String(), sa.ForeignKey("entities.id"), nullable=False),
        sa.Column("channel_id", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("reply_id", sa.String(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("jobs_by_time", "jobs", ["created_at", "id"])
    op.create_index("jobs_by_user", "jobs", ["user_id", "created_at", "id"])
    op.create_index("jobs_by_channel", "jobs", ["channel_id"], unique=True)
    op.create_index("jobs_by_user_and_state", "jobs", ["user_id", "state", "created_at", "id", "expires_at"])
    op.create_index("jobs_by_state", "jobs", ["state", "created_at", "id", "expires_at", "ended_at"])
