"""What items mean, as vectors."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables of schema 0002."""
    op.create_table(
        "item_vectors",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("item_id", _ROW_ID, nullable=False),
        sa.Column("tenant_id", sa.String(length=128), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("scale", sa.Float(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["memory_items.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("item_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_item_vectors_tenant_id", "item_vectors", ["tenant_id"])
    op.create_table(
        "removed_vectors",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("vector_id", _ROW_ID, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute("""CREATE TRIGGER removed_vectors_note AFTER DELETE ON item_vectors BEGIN
            INSERT INTO removed_vectors(vector_id) VALUES (old.id);
        END""")
    else:  # what pgvector can index, and what needs no pgvector to be there (storage/postgres_vectors.py)
        op.create_table(
            "item_embeddings",
            sa.Column("item_id", sa.BigInteger(), nullable=False),
            sa.Column("model", sa.String(length=64), nullable=False),
            sa.Column("embedding", sa.ARRAY(sa.REAL()), nullable=False),
            sa.Column("is_stale", sa.Boolean(), nullable=False),
            sa.ForeignKeyConstraint(["item_id"], ["memory_items.id"], ondelete="CASCADE"),
            sa.PrimaryKeyConstraint("item_id"),
        )
