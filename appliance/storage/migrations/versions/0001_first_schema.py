"""The first schema: memory, notebook, access, jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# The index reads its text from memory_items; triggers keep it in step whoever writes.
_FULL_TEXT = (
    """CREATE VIRTUAL TABLE memory_fts USING fts5(
        search_text, content='memory_items', content_rowid='id', tokenize='porter unicode61 remove_diacritics 2'
    )""",
    """CREATE TRIGGER memory_fts_insert AFTER INSERT ON memory_items BEGIN
        INSERT INTO memory_fts(rowid, search_text) VALUES (new.id, new.search_text);
    END""",
    """CREATE TRIGGER memory_fts_delete AFTER DELETE ON memory_items BEGIN
        INSERT INTO memory_fts(memory_fts, rowid, search_text) VALUES ('delete', old.id, old.search_text);
    END""",
    """CREATE TRIGGER memory_fts_update AFTER UPDATE OF search_text ON memory_items BEGIN
        INSERT INTO memory_fts(memory_fts, rowid, search_text) VALUES ('delete', old.id, old.search_text);
        INSERT INTO memory_fts(rowid, search_text) VALUES (new.id, new.search_text);
    END""",
)

# The same on PostgreSQL. Its own parser takes addresses, numbers and hyphens apart its own way, and asks the database's
# locale what a letter is: words are what `appliance.text` takes for words, folded beyond ASCII when they come here.
_FUNCTION = "LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path FROM CURRENT"
# ruff: noqa: S608 - nothing comes from outside
_FULL_TEXT_POSTGRES = (
    "CREATE TEXT SEARCH DICTIONARY membox_porter (TEMPLATE = snowball, LANGUAGE = porter)",
    rf"""CREATE FUNCTION membox_lexemes(said text) RETURNS TABLE (lexeme text, place bigint) {_FUNCTION} AS $$ BEGIN
        RETURN QUERY SELECT
            '''' || CASE WHEN length(word) < 3 THEN word ELSE (ts_lexize('membox_porter', word))[1] END || '''', nth
        FROM (
            SELECT left(part, 250) AS word, nth FROM regexp_split_to_table(
                lower(said COLLATE "C"), '[\u0001-/:-@\[-`{{-\u007f\u3099\u309a]+'
            ) WITH ORDINALITY AS parts (part, nth) WHERE part <> ''
        ) AS words; END $$""",
    f"""CREATE FUNCTION membox_words(said text) RETURNS tsvector {_FUNCTION} AS $$ BEGIN RETURN (
        SELECT coalesce(string_agg(lexeme || ':' || place, ' '), '')::tsvector FROM membox_lexemes(said)
        ); END $$""",
    # One unsegmented character also matches pairs that begin with it.
    f"""CREATE FUNCTION membox_phrase(said text) RETURNS tsquery {_FUNCTION} AS $$ BEGIN RETURN (
        SELECT (coalesce(string_agg(lexeme, ' <-> ' ORDER BY place), '')
            || CASE WHEN length(said) = 1 AND octet_length(said) > 1 THEN ':*' ELSE '' END)::tsquery
        FROM membox_lexemes(said)
        ); END $$""",
    f"""CREATE FUNCTION membox_any(said text[]) RETURNS tsquery {_FUNCTION} AS $$ BEGIN RETURN (
        SELECT coalesce(string_agg('(' || membox_phrase(word)::text || ')', ' | '), '')::tsquery
        FROM unnest(said) AS words (word) WHERE numnode(membox_phrase(word)) > 0
        ); END $$""",
    """ALTER TABLE memory_items ADD COLUMN search_words tsvector NOT NULL
        GENERATED ALWAYS AS (membox_words(search_text)) STORED""",
    "CREATE INDEX memory_items_search_words ON memory_items USING gin (search_words)",
)


def upgrade() -> None:
    """Create every table of schema 0001."""
    op.create_table(
        "access_keys",
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("tenant_id", sa.String(length=128), nullable=False),
        sa.Column("agent_id", sa.String(length=128), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key_id"),
    )
    op.create_table(
        "audit_log",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.String(length=128), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=512), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "box_state",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "documents",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("path", sa.String(length=512), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("path"),
    )
    op.create_table(
        "idempotency",
        sa.Column("tenant_id", sa.String(length=128), nullable=False),
        sa.Column("agent_id", sa.String(length=128), nullable=False),
        sa.Column("operation", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("payload_hash", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "agent_id", "operation", "key"),
    )
    op.create_index(op.f("ix_idempotency_created_at"), "idempotency", ["created_at"], unique=False)
    op.create_table(
        "job_runs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("job", sa.String(length=64), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("job", "started_at"),
    )
    op.create_index("ix_job_runs_job", "job_runs", ["job", "started_at"], unique=False)
    op.create_table(
        "memory_items",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("memory_id", sa.String(length=128), nullable=False),
        sa.Column("tenant_id", sa.String(length=128), nullable=False),
        sa.Column("agent_id", sa.String(length=128), nullable=False),
        sa.Column("scope", sa.String(length=8), nullable=False),
        sa.Column("type", sa.String(length=8), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("trust_level", sa.String(length=16), nullable=False),
        sa.Column("trust", sa.Float(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("salience", sa.Float(), nullable=False),
        sa.Column("source_ref", sa.String(length=1024), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("superseded_by", sa.String(length=128), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("memory_id"),
    )
    op.create_index(
        "ix_memory_items_expires_at",
        "memory_items",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_table(
        "pending_files",
        sa.Column("path", sa.String(length=512), nullable=False),
        sa.Column("old_hash", sa.String(length=64), nullable=True),
        sa.Column("new_hash", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("path"),
    )
    op.create_table(
        "sign_in_tickets",
        sa.Column("ticket_hash", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("ticket_hash"),
    )
    op.create_table(
        "similarity_bands",
        sa.Column("band", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("band", "item_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tombstones",
        sa.Column("memory_id", sa.String(length=128), nullable=False),
        sa.Column("tenant_id", sa.String(length=128), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("memory_id"),
    )
    op.create_table(
        "web_sessions",
        sa.Column("session_hash", sa.String(length=64), nullable=False),
        sa.Column("csrf_token", sa.String(length=64), nullable=False),
        sa.Column("device", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("session_hash"),
    )
    op.create_table(
        "document_versions",
        sa.Column("document_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("is_full", sa.Boolean(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("lines_added", sa.Integer(), nullable=False),
        sa.Column("lines_removed", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("document_id", "number"),
    )
    op.create_index("ix_document_versions_created_at", "document_versions", ["created_at"], unique=False)
    op.create_table(
        "notebook_sections",
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("path", sa.String(length=512), nullable=False),
        sa.Column("first_line", sa.Integer(), nullable=False),
        sa.Column("last_line", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["memory_items.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("item_id"),
    )
    op.create_index("ix_notebook_sections_path", "notebook_sections", ["path"], unique=False)

    for statement in _FULL_TEXT if op.get_bind().dialect.name == "sqlite" else _FULL_TEXT_POSTGRES:
        op.get_bind().exec_driver_sql(statement)
