"""The model registry: states, weights, history, signals, and traces of recalls."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables of schema 0004."""
    op.create_table(
        "model_states",
        sa.Column("tenant_id", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("active_version", sa.String(length=128), nullable=False),
        sa.Column("canary_version", sa.String(length=128), nullable=True),
        sa.Column("rollout_percent", sa.Integer(), nullable=False),
        sa.Column("tenant_allowlist", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "kind"),
    )
    op.create_table(
        "model_versions",
        sa.Column("tenant_id", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("version", sa.String(length=128), nullable=False),
        sa.Column("weights", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "kind", "version"),
    )
    op.create_table(
        "model_events",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("tenant_id", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("event_kind", sa.String(length=32), nullable=False),
        sa.Column("actor_agent_id", sa.String(length=128), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_model_events_kind", "model_events", ["tenant_id", "kind", "id"], unique=False)
    op.create_table(
        "model_signals",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("tenant_id", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("version", sa.String(length=128), nullable=False),
        sa.Column("metric", sa.String(length=128), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("source", sa.String(length=256), nullable=True),
        sa.Column("actor_agent_id", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_model_signals_kind", "model_signals", ["tenant_id", "kind", "id"], unique=False)
    op.create_table(
        "recall_traces",
        sa.Column("id", _ROW_ID, autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.String(length=128), nullable=False),
        sa.Column("feature_set", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("judged_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_recall_traces_tenant_id", "recall_traces", ["tenant_id", "created_at"], unique=False)
    op.create_table(
        "recall_trace_items",
        sa.Column("item_id", _ROW_ID, autoincrement=False, nullable=False),
        sa.Column("trace_id", _ROW_ID, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("features", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["memory_items.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("item_id", "trace_id"),
        sqlite_with_rowid=False,
    )
