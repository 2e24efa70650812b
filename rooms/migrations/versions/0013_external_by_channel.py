"""Which platform's channel a channel is can be forgotten without looking through all."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_index("external_by_channel", "external_channels", ["channel_id"])
