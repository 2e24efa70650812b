"""The vault, which the secrets of webhooks move into."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def _text(name: str, target: str | None = None) -> sa.Column:
    references = [sa.ForeignKey(target)] if target else []
    return sa.Column(name, sa.String(), *references, nullable=False)


def _big(name: str) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "vault_secrets",
        _text("name"),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        _big("created_at"),
        _big("updated_at"),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "vault_grants",
        _text("name", "vault_secrets.name"),
        _text("agent_id", "entities.id"),
        _text("granted_by"),
        _big("created_at"),
        sa.PrimaryKeyConstraint("name", "agent_id"),
    )
    alike = ["name", "agent_id", "purpose", "subject", "outcome"]
    op.create_table(
        "vault_uses",
        _text("id"),
        *(_text(name) for name in alike),
        _big("minute"),
        _big("times"),
        _big("first_at"),
        _big("last_at"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("vault_uses_alike", "vault_uses", [*alike, "minute"], unique=True)
    op.create_index("vault_uses_by_age", "vault_uses", ["last_at"])
    _move_webhooks()


def _move_webhooks() -> None:
    op.execute(
        "INSERT INTO vault_secrets (name, sealed, created_at, updated_at)"
        " SELECT 'webhook:' || agent_id, secret, created_at, created_at FROM webhooks"
    )
    op.execute(
        "INSERT INTO vault_grants (name, agent_id, granted_by, created_at)"
        " SELECT 'webhook:' || agent_id, agent_id, agent_id, created_at FROM webhooks"
    )
    op.drop_column("webhooks", "secret")
