"""Keeping new items: scores, near-duplicates, idempotency, all in one transaction (contract memory-api)."""

import hashlib
import random
from typing import Any

from sqlalchemy import Connection, insert

from appliance.memory import scoring, similarity
from appliance.memory.models import ItemType, NewItem, RememberAnswer, RememberRequest, Scope
from appliance.memory.registry_models import ModelKind
from appliance.memory.routing import route
from appliance.quoting import without_recalled
from appliance.storage.direct import Direct
from appliance.storage.idempotency import IdempotencyKey
from appliance.storage.schema import memory_items
from appliance.text import content_words, searchable, words

_OPERATION = "remember"
_random = random.Random()  # noqa: S311 - ids are no secrets; the system's source would give up the processor each time
_insert = insert(memory_items).returning(memory_items.c.memory_id, memory_items.c.id)
_insert_one = Direct(_insert, [column.name for column in memory_items.c if column.name != "id"])


class Remembering:
    """One `remember` request, prepared outside the transaction so that other writers wait only while it is stored."""

    def __init__(self, request: RememberRequest, now: int) -> None:
        self._request, self._now = request, now
        self._warnings: list[str] = []
        self._rows: list[dict[str, Any]] = []
        self._words: list[list[str]] = []
        self._unweighed: list[dict[str, Any]] = []  # rows whose salience the caller leaves to us
        for position, item in enumerate(request.items):
            if text := self._own_words(position, item.text.strip()):
                row = new_row(request.tenant_id, request.agent_id, request.scope, item, text, now)
                self._rows.append(row)
                self._words.append(content_words(text))
                if item.salience is None:
                    self._unweighed.append(row)
        self._sketches = [similarity.sketch(request.tenant_id, text_words) for text_words in self._words]
        self._key = _key_of(request)

    def _own_words(self, position: int, text: str) -> str:
        """What of `text` is new: nothing of a blank one, and nothing that came out of recall."""
        own = without_recalled(text).strip()
        if not own:
            self._warnings.append(f"rejected:{position}:{'recalled_text' if text else 'blank_text'}")
        elif own != text:
            self._warnings.append(f"left_out:{position}:recalled_text")
        return own

    def store(self, conn: Connection) -> RememberAnswer:
        """Store the items, or give the first answer again when this key was used before.

        Raises:
            ConflictError: `idempotency_conflict`, the key was used for another payload within 24 hours.
        """
        if (replayed := self._replay(conn)) is not None:
            return replayed
        similar = similarity.neighbours(
            conn, self._sketches, self._words, self._request.tenant_id, self._request.agent_id, self._now
        )
        self._weigh(conn)
        insert_items(conn, self._rows, self._sketches)
        answer = RememberAnswer(
            accepted=len(self._rows),
            rejected=len(self._request.items) - len(self._rows),
            memory_ids=[row["memory_id"] for row in self._rows],
            warnings=self._warnings + list(dict.fromkeys(f"similar:{other}" for ids in similar for other in ids)),
        )
        if self._key:
            self._key.remember(conn, answer.model_dump_json(), self._now)
        return answer

    def _weigh(self, conn: Connection) -> None:
        """Let the tenant's own salience model decide, where one was trained."""
        if not self._unweighed:
            return
        weights = route(conn, self._request.tenant_id, ModelKind.SALIENCE).weights
        if weights is not None:
            for row in self._unweighed:
                row["salience"] = scoring.fitted_salience(weights, ItemType(row["type"]), words(row["text"]))

    def _replay(self, conn: Connection) -> RememberAnswer | None:
        answer = self._key.answer(conn, self._now) if self._key else None
        if answer is None:
            return None
        first = RememberAnswer.model_validate_json(answer)
        return first.model_copy(update={"warnings": [*first.warnings, "idempotency_replay"]})


def _key_of(request: RememberRequest) -> IdempotencyKey | None:
    if not request.idempotency_key:
        return None
    payload = request.model_dump_json(exclude={"idempotency_key"}).encode()
    return IdempotencyKey(
        request.tenant_id, request.agent_id, _OPERATION, request.idempotency_key, hashlib.sha256(payload).hexdigest()
    )


def new_memory_id(now: int) -> str:
    """An id that sorts by time, so that new rows land at the end of their index: `mem_` and 32 hex digits."""
    return f"mem_{now:012x}{_random.getrandbits(80):020x}"


def new_row(tenant_id: str, agent_id: str, scope: Scope, item: NewItem, text: str, now: int) -> dict[str, Any]:
    """The `memory_items` row of a new item."""
    salience, confidence = item.salience, item.confidence
    if salience is None or confidence is None:
        text_words = words(text)
        salience = scoring.salience(item.type, text_words) if salience is None else salience
        confidence = scoring.confidence(item.trust_level, text_words) if confidence is None else confidence
    return {
        "memory_id": new_memory_id(now),
        "tenant_id": tenant_id,
        "agent_id": agent_id,
        "scope": scope.value,
        "type": item.type.value,
        "text": text,
        "search_text": searchable(text),
        "trust_level": item.trust_level.value,
        "trust": scoring.TRUST[item.trust_level],
        "confidence": confidence,
        "salience": salience,
        "source_ref": item.source_ref,
        "created_at": now,
        "occurred_at": item.occurred_at if item.occurred_at is not None else now,
        "expires_at": item.expires_at,
        "superseded_by": None,
    }


def insert_items(conn: Connection, rows: list[dict[str, Any]], sketches: list[list[int]]) -> list[int]:
    """Insert item rows with their bands; their row ids, in order."""
    if not rows:
        return []
    if len(rows) == 1:
        row_ids = [row_id for _, row_id in _insert_one.rows(conn, rows[0])]
    else:  # in one statement, which the full-text index takes twice as fast
        row_of = {row.memory_id: row.id for row in conn.execute(_insert, rows)}
        row_ids = [row_of[row["memory_id"]] for row in rows]
    similarity.store(conn, list(zip(row_ids, sketches, strict=True)))
    return row_ids
