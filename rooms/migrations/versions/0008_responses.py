"""Runs that are answered with what another one is."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_KEYED = sa.text("prompt_key IS NOT NULL")
_AWAITING = sa.text("awaits IS NOT NULL AND due_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("runs", sa.Column("prompt_key", sa.LargeBinary()))
    op.add_column("runs", sa.Column("awaits", sa.String()))
    op.create_index("runs_by_prompt", "runs", ["prompt_key"], sqlite_where=_KEYED, postgresql_where=_KEYED)
    op.create_index("runs_awaiting", "runs", ["awaits"], sqlite_where=_AWAITING, postgresql_where=_AWAITING)
