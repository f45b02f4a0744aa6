"""A retried note is stored once: its key remembers the first answer for 24 hours (contract notebook, Capture)."""

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from appliance.errors import ConflictError, InvalidError
from appliance.notebook.models import Note
from appliance.storage.schema import idempotency

_OPERATION = "note"
_KEPT_MS = 24 * 60 * 60 * 1000
_MAX_KEY = 128


@dataclass(frozen=True)
class NoteKey:
    """An idempotency key, with whose it is and what was sent under it."""

    tenant_id: str
    author: str
    key: str
    payload_hash: str

    @classmethod
    def of(cls, tenant_id: str, author: str, key: str, note: Note) -> "NoteKey":
        """The key `key` of `author` for `note`.

        Raises:
            InvalidError: `invalid_idempotency_key`, it is longer than 128 characters or not printable.
        """
        if len(key) > _MAX_KEY or not key.isprintable():
            raise InvalidError("invalid_idempotency_key", "An Idempotency-Key has at most 128 printable characters.")
        return cls(tenant_id, author, key, hashlib.sha256(note.model_dump_json().encode()).hexdigest())

    def answer(self, conn: Connection, now: int) -> str | None:
        """The answer given before under this key; None when it is new or older than 24 hours.

        Raises:
            ConflictError: `idempotency_conflict`, the key was used for another note.
        """
        table = idempotency.c
        row = conn.execute(
            select(table.payload_hash, table.answer).where(
                table.tenant_id == self.tenant_id,
                table.agent_id == self.author,
                table.operation == _OPERATION,
                table.key == self.key,
                table.created_at > now - _KEPT_MS,
            )
        ).one_or_none()
        if row is None:
            return None
        if row.payload_hash != self.payload_hash:
            raise ConflictError(
                "idempotency_conflict", "This Idempotency-Key was used for another note; take a new one."
            )
        return str(row.answer)

    def remember(self, conn: Connection, answer: str, now: int) -> None:
        """Keep `answer` under this key, and let go of what is older than 24 hours."""
        table = idempotency.c
        conn.execute(delete(idempotency).where(table.operation == _OPERATION, table.created_at <= now - _KEPT_MS))
        conn.execute(
            insert(idempotency).values(
                tenant_id=self.tenant_id,
                agent_id=self.author,
                operation=_OPERATION,
                key=self.key,
                payload_hash=self.payload_hash,
                answer=answer,
                created_at=now,
            )
        )
