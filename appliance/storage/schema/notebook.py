"""The tables of the notebook: its files with their versions, refreshes of the curated memory, instruction targets."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from appliance.storage.schema.base import RowId, metadata

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

# A run of the refresh over a file of the notebook (notebook/refresh): what came of it, what it cost, and, while it
# waits for a person's approval, the text it proposes.
refreshes = Table(
    "refreshes",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("path", String(512), nullable=False),
    Column("outcome", String(16), nullable=False),  # applied, filed, refused, failed, awaiting, declined, undone
    Column("detail", Text, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("provider", String(32), nullable=False),
    Column("model", String(128), nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),  # millionths of a US dollar
    Column("base_version", Integer, nullable=False),
    Column("version", Integer),
    Column("proposal", Text),
    Index("ix_refreshes_path", "path", "id"),
)

# The watermark: which entries of journal and buffer the curated memory has taken in, by hash (notebook/refresh).
merged_entries = Table(
    "merged_entries",
    metadata,
    Column("path", String(512), primary_key=True),
    Column("entry_hash", String(64), primary_key=True),
    Column("refresh_id", RowId, ForeignKey("refreshes.id", ondelete="CASCADE"), nullable=False),
    Index("ix_merged_entries_refresh_id", "refresh_id"),
)

# A reworded line that was kept as it was; a person takes the rewording or leaves it.
offered_merges = Table(
    "offered_merges",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("refresh_id", RowId, ForeignKey("refreshes.id", ondelete="CASCADE"), nullable=False),
    Column("path", String(512), nullable=False),
    Column("kept", Text, nullable=False),
    Column("offered", Text, nullable=False),
    Column("state", String(16), nullable=False),  # open, taken, left
    Column("decided_at", BigInteger),
    Index("ix_offered_merges_state", "state", "id"),
)

# The last check-in of every instruction target on every machine; the box's own have machine "" (notebook/targets).
target_checkins = Table(
    "target_checkins",
    metadata,
    Column("machine", String(128), primary_key=True),
    Column("path", String(512), primary_key=True),
    Column("agent_id", String(128), nullable=False),
    Column("state", String(16), nullable=False),  # current, stale, edited, missing, damaged, unwritable
    Column("said", Text, nullable=False),
    Column("block_hash", String(64)),
    Column("checked_at", BigInteger, nullable=False),
    Column("notified_at", BigInteger),
)

# How far each transcript has been read for what deserves remembering (agents/harvest).
harvested = Table(
    "harvested",
    metadata,
    Column("source", String(512), primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("read_at", BigInteger, nullable=False),
)
