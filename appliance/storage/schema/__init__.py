"""The tables, once for both dialects. Times are epoch milliseconds (UTC); booleans and words are plain columns.

What only one dialect has (the full-text index and its triggers) is in that dialect's module and its migration.
"""

from appliance.storage.schema.base import RowId, metadata
from appliance.storage.schema.box import (
    access_keys,
    agent_sessions,
    audit_log,
    box_state,
    idempotency,
    job_runs,
    jobs,
    model_usage,
    sign_in_tickets,
    web_sessions,
)
from appliance.storage.schema.memory import (
    item_vectors,
    memory_items,
    model_events,
    model_signals,
    model_states,
    model_versions,
    notebook_sections,
    recall_trace_items,
    recall_traces,
    removed_vectors,
    similarity_bands,
    summary_sources,
    tombstones,
)
from appliance.storage.schema.notebook import (
    document_versions,
    documents,
    harvested,
    merged_entries,
    offered_merges,
    pending_files,
    refreshes,
    target_checkins,
)

__all__ = [
    "RowId",
    "access_keys",
    "agent_sessions",
    "audit_log",
    "box_state",
    "document_versions",
    "documents",
    "harvested",
    "idempotency",
    "item_vectors",
    "job_runs",
    "jobs",
    "memory_items",
    "merged_entries",
    "metadata",
    "model_events",
    "model_signals",
    "model_states",
    "model_usage",
    "model_versions",
    "notebook_sections",
    "offered_merges",
    "pending_files",
    "recall_trace_items",
    "recall_traces",
    "refreshes",
    "removed_vectors",
    "sign_in_tickets",
    "similarity_bands",
    "summary_sources",
    "target_checkins",
    "tombstones",
    "web_sessions",
]
