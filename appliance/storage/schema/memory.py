"""The tables of memory: items, what is kept for finding them, and the models that rank them."""

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from appliance.storage.schema.base import RowId, metadata

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

# What stays of a forgotten item: its id and when.
tombstones = Table(
    "tombstones",
    metadata,
    Column("memory_id", String(128), primary_key=True),
    Column("tenant_id", String(128), nullable=False),
    Column("deleted_at", BigInteger, nullable=False),
)
