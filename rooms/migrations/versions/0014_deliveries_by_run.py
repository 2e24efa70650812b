"""The deliveries of a run are found by an index, so that runs can be forgotten."""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_index("deliveries_by_run", "deliveries", ["run_id"])
    op.drop_index("deliveries_waiting", "deliveries")
