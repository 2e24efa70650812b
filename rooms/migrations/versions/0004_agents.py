"""Agents and runs; threads, mentions, reactions and read markers."""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


# What was answered before threads were known.
_FIND_ROOTS = """
WITH RECURSIVE threads (id, root_id) AS (
    SELECT reply.id, parent.id FROM messages AS reply JOIN messages AS parent ON parent.id = reply.parent_id
    WHERE parent.parent_id IS NULL
    UNION ALL
    SELECT reply.id, threads.root_id FROM messages AS reply JOIN threads ON threads.id = reply.parent_id
)
UPDATE messages SET root_id = threads.root_id FROM threads WHERE threads.id = messages.id
"""
_COUNT_REPLIES = """
UPDATE messages SET reply_count = (
    SELECT count(*) FROM messages AS reply WHERE reply.root_id = messages.id AND reply.deleted_at IS NULL
)
WHERE id IN (SELECT root_id FROM messages WHERE root_id IS NOT NULL)
"""


def _partial(condition: str) -> dict[str, sa.TextClause]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _big(name: str, *, nullable: bool = False, default: str | None = None) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), nullable=nullable, server_default=default)


def _text(name: str, target: str | None = None, *, nullable: bool = False) -> sa.Column:
    references = [sa.ForeignKey(target)] if target else []
    return sa.Column(name, sa.String(), *references, nullable=nullable)


def upgrade() -> None:
    _extend_entities()
    _extend_participants()
    _extend_messages()
    _create_answers()
    _create_agents()
    _create_runs()
    _create_deliveries()


def _extend_entities() -> None:
    op.add_column("entities", sa.Column("name_key", sa.String(), nullable=False, server_default=""))
    op.add_column("entities", _text("handle", nullable=True))
    op.add_column("entities", _text("handle_key", nullable=True))
    op.create_index("entities_by_handle", "entities", ["handle_key"], unique=True)
    op.create_index("entities_by_name", "entities", ["name_key"], unique=False)
    op.create_index("entities_by_lower_id", "entities", [sa.text("lower(id)")], unique=False)
    bind = op.get_bind()
    for entity_id, name in bind.execute(sa.text("SELECT id, name FROM entities")).all():
        key = unicodedata.normalize("NFKC", name).casefold()
        bind.execute(
            sa.text("UPDATE entities SET name_key = :key WHERE id = :id"), {"key": key, "id": entity_id}
        )


def _extend_participants() -> None:
    op.add_column(
        "participants", sa.Column("is_agent", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.execute(
        sa.text(
            "UPDATE participants SET is_agent = :is_agent WHERE entity_id IN"
            " (SELECT id FROM entities WHERE kind = 'agent')"
        ).bindparams(sa.bindparam("is_agent", True, sa.Boolean()))
    )
    op.create_index(
        "participants_agents", "participants", ["channel_id"], **_partial("is_agent AND left_seq IS NULL")
    )


def _extend_messages() -> None:
    op.add_column("messages", _text("root_id", nullable=True))
    op.add_column("messages", sa.Column("hops", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("messages", sa.Column("mentions", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("messages", _big("reply_count", default="0"))
    op.execute(sa.text(_FIND_ROOTS))
    op.create_index("messages_by_thread", "messages", ["root_id", "seq"], **_partial("root_id IS NOT NULL"))
    op.create_index("messages_by_agents", "messages", ["channel_id", "created_at"], **_partial("by_agent"))
    op.execute(sa.text(_COUNT_REPLIES))


def _create_answers() -> None:
    op.create_table(
        "mentions",
        _text("message_id", "messages.id"),
        _text("entity_id", "entities.id"),
        _text("channel_id", "channels.id"),
        _big("seq"),
        sa.PrimaryKeyConstraint("message_id", "entity_id"),
    )
    op.create_index("mentions_by_entity", "mentions", ["entity_id", "channel_id", "seq"])
    op.create_table(
        "reactions",
        _text("message_id", "messages.id"),
        _text("entity_id", "entities.id"),
        _text("emoji"),
        _big("created_at"),
        sa.PrimaryKeyConstraint("message_id", "entity_id", "emoji"),
    )
    op.create_table(
        "read_markers",
        _text("channel_id", "channels.id"),
        _text("entity_id", "entities.id"),
        _big("seq"),
        _big("updated_at"),
        sa.PrimaryKeyConstraint("channel_id", "entity_id"),
    )


def _create_agents() -> None:
    op.create_table(
        "agents",
        _text("entity_id", "entities.id"),
        sa.Column("bio", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("capabilities", sa.JSON(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        _big("updated_at"),
        sa.PrimaryKeyConstraint("entity_id"),
    )
    op.create_table(
        "mutes",
        _text("channel_id", "channels.id"),
        _text("agent_id", "entities.id"),
        _text("reason"),
        _big("until", nullable=True),
        _text("muted_by"),
        _big("created_at"),
        sa.PrimaryKeyConstraint("channel_id", "agent_id"),
    )


def _create_runs() -> None:
    op.create_table(
        "runs",
        _text("id"),
        _text("server_id", "servers.id"),
        _text("channel_id", "channels.id"),
        _text("message_id", "messages.id"),
        _text("agent_id", "entities.id"),
        _text("user_id", "entities.id"),
        _text("reply_id"),
        _text("state"),
        _text("reason", nullable=True),
        sa.Column("hops", sa.Integer(), nullable=False),
        _text("holder", nullable=True),
        _big("fence"),
        _big("seq"),
        sa.Column("partial", sa.Text(), nullable=False),
        _big("chunks"),
        _big("created_at"),
        _big("started_at", nullable=True),
        _big("updated_at"),
        _big("due_at", nullable=True),
        _big("waiting_since", nullable=True),
        _big("told_at", nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("runs_by_message", "runs", ["message_id"])
    op.create_index("runs_by_reply", "runs", ["reply_id"], unique=True)
    op.create_index("runs_by_channel", "runs", ["channel_id", "id"])
    op.create_index("runs_by_agent", "runs", ["agent_id", "id"])
    op.create_index("runs_open", "runs", ["agent_id", "channel_id"], **_partial("due_at IS NOT NULL"))
    op.create_index("runs_due", "runs", ["due_at"], **_partial("due_at IS NOT NULL"))
    op.create_table(
        "guards",
        _text("channel_id", "channels.id"),
        _text("reason", nullable=True),
        _text("message_id"),
        _big("created_at"),
        _big("resumed_seq"),
        sa.PrimaryKeyConstraint("channel_id"),
    )
    op.create_table(
        "approvals",
        _text("id"),
        _text("server_id", "servers.id"),
        _text("channel_id", "channels.id"),
        _big("seq"),
        _text("run_id", nullable=True),
        _text("requested_by"),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("allowed", sa.JSON(), nullable=False),
        _text("state"),
        _text("choice", nullable=True),
        _text("resolved_by", nullable=True),
        _big("created_at"),
        _big("expires_at"),
        _big("closed_at", nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("approvals_by_channel", "approvals", ["channel_id", "created_at"])
    op.create_index("approvals_due", "approvals", ["expires_at"], **_partial("state = 'requested'"))


def _create_deliveries() -> None:
    op.create_table(
        "webhooks",
        _text("agent_id", "entities.id"),
        _text("url"),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        _big("created_at"),
        sa.PrimaryKeyConstraint("agent_id"),
    )
    op.create_table(
        "deliveries",
        _text("id"),
        _text("agent_id", "entities.id"),
        _text("run_id", "runs.id"),
        _text("state"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _text("error", nullable=True),
        _big("created_at"),
        _big("due_at", nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("deliveries_by_agent", "deliveries", ["agent_id", "id"])
    op.create_index("deliveries_due", "deliveries", ["due_at"], **_partial("due_at IS NOT NULL"))
