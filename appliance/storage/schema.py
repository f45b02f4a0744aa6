"""The tables, once for both dialects. Times are epoch milliseconds (UTC); booleans and words are plain columns.

What only one dialect has (the full-text index and its triggers) is in that dialect's module and its migration.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

# SQLite auto-numbers only an INTEGER PRIMARY KEY; elsewhere row ids are 64-bit.
RowId = BigInteger().with_variant(Integer, "sqlite")

memory_items = Table(
    "memory_items",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("memory_id", String(128), nullable=False, unique=True),
    Column("tenant_id", String(128), nullable=False),
    Column("agent_id", String(128), nullable=False),
    Column("scope", String(8), nullable=False),
    Column("type", String(8), nullable=False),
    Column("text", Text, nullable=False),
    Column("search_text", Text, nullable=False),
    Column("trust_level", String(16), nullable=False),
    Column("trust", Float, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("salience", Float, nullable=False),
    Column("source_ref", String(1024)),
    Column("created_at", BigInteger, nullable=False),
    Column("occurred_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("superseded_by", String(128)),
)
Index("ix_memory_items_expires_at", memory_items.c.expires_at, sqlite_where=memory_items.c.expires_at.is_not(None))
Index("ix_memory_items_occurred_at", memory_items.c.occurred_at, memory_items.c.tenant_id)

# Near-duplicates: a row per band of an item's MinHash sketch (memory/similarity.py). No foreign key: it would need an
# index as large as the table; a forgotten item's rows are deleted with it.
similarity_bands = Table(
    "similarity_bands",
    metadata,
    Column("band", BigInteger, primary_key=True, autoincrement=False),
    Column("item_id", RowId, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

# Which lines of which notebook file an item is.
notebook_sections = Table(
    "notebook_sections",
    metadata,
    Column("item_id", RowId, ForeignKey("memory_items.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("path", String(512), nullable=False),
    Column("first_line", Integer, nullable=False),
    Column("last_line", Integer, nullable=False),
    Column("content_hash", String(64), nullable=False),
    Index("ix_notebook_sections_path", "path"),
)

# What an item means: its vector, as bytes, at most one (memory/embedding). Can always be made anew. No id is ever used
# again, and a trigger writes down those that went: so a copy in memory follows (storage/sqlite_vectors.py).
item_vectors = Table(
    "item_vectors",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("item_id", RowId, ForeignKey("memory_items.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("tenant_id", String(128), nullable=False),
    Column("model", String(64), nullable=False),
    Column("scale", Float, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    Index("ix_item_vectors_tenant_id", "tenant_id"),
    sqlite_autoincrement=True,
)

removed_vectors = Table(
    "removed_vectors",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("vector_id", RowId, nullable=False),
    sqlite_autoincrement=True,
)

# Which items a summary was made of.
summary_sources = Table(
    "summary_sources",
    metadata,
    Column("summary_id", RowId, ForeignKey("memory_items.id", ondelete="CASCADE"), primary_key=True),
    Column("source_id", RowId, ForeignKey("memory_items.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_summary_sources_source_id", "source_id"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("job_id", String(64), nullable=False, unique=True),
    Column("tenant_id", String(128), nullable=False),
    Column("agent_id", String(128), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("payload", Text, nullable=False),
    Column("payload_version", Integer, nullable=False),
    Column("status", String(16), nullable=False),  # queued, running, completed, failed
    Column("attempts", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("run_at", BigInteger, nullable=False),
    Column("leased_until", BigInteger),
    Column("worker", String(128)),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("progress", Text),
    Column("result", Text),
    Column("error", Text),
    Index("ix_jobs_tenant_id", "tenant_id", "id"),
    Index("ix_jobs_status", "status", "run_at"),
)

# The model registry: what ranks whose recalls, what it weighs, and what was said of it (memory/registry.py).
model_states = Table(
    "model_states",
    metadata,
    Column("tenant_id", String(128), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("active_version", String(128), nullable=False),
    Column("canary_version", String(128)),
    Column("rollout_percent", Integer, nullable=False),
    Column("tenant_allowlist", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

model_versions = Table(
    "model_versions",
    metadata,
    Column("tenant_id", String(128), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("version", String(128), primary_key=True),
    Column("weights", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

model_events = Table(
    "model_events",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("tenant_id", String(128), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("event_kind", String(32), nullable=False),
    Column("actor_agent_id", String(128), nullable=False),
    Column("payload", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_model_events_kind", "tenant_id", "kind", "id"),
)

model_signals = Table(
    "model_signals",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("tenant_id", String(128), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("version", String(128), nullable=False),
    Column("metric", String(128), nullable=False),
    Column("value", Float, nullable=False),
    Column("source", String(256)),
    Column("actor_agent_id", String(128), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_model_signals_kind", "tenant_id", "kind", "id"),
)

# How a recall's candidates measured: numbers without any words, so that a later verdict on them teaches a model
# (memory/traces.py). The id is the number in the recall's trace_id. A candidate that is forgotten leaves every trace.
recall_traces = Table(
    "recall_traces",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=False),
    Column("tenant_id", String(128), nullable=False),
    Column("feature_set", String(16), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("judged_at", BigInteger),
    Index("ix_recall_traces_tenant_id", "tenant_id", "created_at"),
)

recall_trace_items = Table(
    "recall_trace_items",
    metadata,
    Column("item_id", RowId, ForeignKey("memory_items.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("trace_id", RowId, primary_key=True, autoincrement=False),
    Column("position", Integer, nullable=False),
    Column("features", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

documents = Table(
    "documents",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("path", String(512), nullable=False, unique=True),
    Column("version", Integer, nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("deleted", Boolean, nullable=False, default=False),
)

# A version is a full text or what changed since the version before it (notebook/deltas.py).
document_versions = Table(
    "document_versions",
    metadata,
    Column("document_id", RowId, ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("created_at", BigInteger, nullable=False),
    Column("author", String(128), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("is_full", Boolean, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("lines_added", Integer, nullable=False),
    Column("lines_removed", Integer, nullable=False),
    Index("ix_document_versions_created_at", "created_at"),
)

# A stored version whose file may not be written yet; settled at the next start after a crash.
pending_files = Table(
    "pending_files",
    metadata,
    Column("path", String(512), primary_key=True),
    Column("old_hash", String(64)),
    Column("new_hash", String(64)),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("tenant_id", String(128), primary_key=True),
    Column("agent_id", String(128), primary_key=True),
    Column("operation", String(32), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("payload_hash", String(64), nullable=False),
    Column("answer", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False, index=True),
)

# What stays of a forgotten item: its id and when.
tombstones = Table(
    "tombstones",
    metadata,
    Column("memory_id", String(128), primary_key=True),
    Column("tenant_id", String(128), nullable=False),
    Column("deleted_at", BigInteger, nullable=False),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("tenant_id", String(128), nullable=False),
    Column("actor", String(128), nullable=False),
    Column("action", String(32), nullable=False),
    Column("subject", String(512), nullable=False),
)

access_keys = Table(
    "access_keys",
    metadata,
    Column("key_id", String(16), primary_key=True),
    Column("secret_hash", String(64), nullable=False),
    Column("name", String(128), nullable=False),
    Column("tenant_id", String(128), nullable=False),
    Column("agent_id", String(128), nullable=False),
    Column("role", String(8), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
)

sign_in_tickets = Table(
    "sign_in_tickets",
    metadata,
    Column("ticket_hash", String(64), primary_key=True),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
)

web_sessions = Table(
    "web_sessions",
    metadata,
    Column("session_hash", String(64), primary_key=True),
    Column("csrf_token", String(64), nullable=False),
    Column("device", String(128), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

job_runs = Table(
    "job_runs",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("job", String(64), nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("outcome", String(16)),  # ok, failed; empty while it runs
    Column("detail", Text),
    Index("ix_job_runs_job", "job", "started_at"),
    UniqueConstraint("job", "started_at"),
)

# Facts about the database itself, such as a scrub that is still due.
box_state = Table(
    "box_state",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
