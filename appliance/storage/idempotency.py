"""A retried request is done once: its key remembers the first answer for 24 hours (contract memory-api, Scoring
defaults; contract notebook, Capture). Asked and kept inside the transaction that does the work.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from appliance.errors import ConflictError
from appliance.storage.schema import idempotency

KEPT_MS = 24 * 60 * 60 * 1000
_c = idempotency.c


@dataclass(frozen=True)
class IdempotencyKey:
    """A key with whose it is, what for, and the hash of what was sent under it."""

    tenant_id: str
    agent_id: str
    operation: str
    key: str
    payload_hash: str

    def answer(self, conn: Connection, now: int) -> str | None:
        """The answer given before under this key; None when it is new or older than 24 hours at `now` (epoch ms).

        Raises:
            ConflictError: `idempotency_conflict`, the key was used for something else.
        """
        row = conn.execute(
            select(_c.payload_hash, _c.answer).where(
                _c.tenant_id == self.tenant_id,
                _c.agent_id == self.agent_id,
                _c.operation == self.operation,
                _c.key == self.key,
                _c.created_at >= now - KEPT_MS,
            )
        ).one_or_none()
        if row is None:
            return None
        if row.payload_hash != self.payload_hash:
            raise ConflictError(
                "idempotency_conflict",
                f"The idempotency key {self.key!r} was used for something else; use a new key for a new request.",
            )
        return str(row.answer)

    def remember(self, conn: Connection, answer: str, now: int) -> None:
        """Keep `answer` under this key, and let go of what is older than 24 hours."""
        purge(conn, now)
        conn.execute(
            insert(idempotency),
            {
                "tenant_id": self.tenant_id,
                "agent_id": self.agent_id,
                "operation": self.operation,
                "key": self.key,
                "payload_hash": self.payload_hash,
                "answer": answer,
                "created_at": now,
            },
        )


def purge(conn: Connection, now: int) -> None:
    """Drop the answers that are older than 24 hours at `now` (epoch ms)."""
    conn.execute(delete(idempotency).where(_c.created_at < now - KEPT_MS))
