"""When items happened: for questions that name a time, and for what happened beside another item."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the index of schema 0005."""
    # The time first: where the tenant is, SQLite would look a whole tenant through for every question about it.
    op.create_index("ix_memory_items_occurred_at", "memory_items", ["occurred_at", "tenant_id"], unique=False)
