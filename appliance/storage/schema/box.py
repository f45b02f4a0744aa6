"""The tables of the box itself: work, callers, sessions, runs, facts."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, UniqueConstraint

from appliance.storage.schema.base import RowId, metadata

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

# What language models were asked for, and what it cost (providers/).
model_usage = Table(
    "model_usage",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("provider", String(32), nullable=False),
    Column("model", String(128), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    Index("ix_model_usage_at", "at"),
)

# Sessions of agents whose hooks speak to the box (agents/sessions).
agent_sessions = Table(
    "agent_sessions",
    metadata,
    Column("agent", String(128), primary_key=True),
    Column("session_id", String(128), primary_key=True),
    Column("project", String(256), nullable=False),
    Column("machine", String(128), nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("failures", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Index("ix_agent_sessions_last_at", "last_at"),
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
