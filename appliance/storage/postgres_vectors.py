"""Vectors on PostgreSQL: plain arrays, which need no extension, and an HNSW index of pgvector's over each model's.

The index is over the arrays as half-precision vectors of that model's size, and of its rows alone: models of different
sizes stand side by side while one takes over from the other.
"""

import hashlib
import math
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, override

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Row,
    Select,
    column,
    func,
    literal_column,
    select,
    table,
    text,
    update,
)

from appliance.storage.schema import memory_items
from appliance.storage.vectors import VectorIndex

if TYPE_CHECKING:
    from appliance.storage.vectors import Vectors

OLDEST = (0, 8)  # pgvector's first with iterative scans
_kept = table("item_embeddings", column("item_id"), column("model"), column("embedding"), column("is_stale", Boolean))
_items: Select[Any] = select(memory_items.c.id, memory_items.c.memory_id, memory_items.c.tenant_id, memory_items.c.text)
_ENDED_SECONDS = 120.0  # a transaction is over by then: a statement that writes ends after 60
_AGAIN_SECONDS = 3600.0
_STORE = text(
    "INSERT INTO item_embeddings (item_id, model, embedding, is_stale) SELECT id, :model, :embedding, false "
    "FROM memory_items WHERE id = :id AND memory_id = :memory_id FOR KEY SHARE "
    "ON CONFLICT (item_id) DO UPDATE SET model = excluded.model, embedding = excluded.embedding, is_stale = false"
)
# A filter that leaves few lets the scan go on, instead of coming home empty-handed.
_FILTERED = (
    "SET LOCAL hnsw.iterative_scan = 'strict_order'; SET LOCAL hnsw.max_scan_tuples = 200000; "
    "SET LOCAL hnsw.ef_search = 100"
)


def add_pgvector(conn: Connection) -> bool:
    """Whether pgvector is here, new enough; it is added to the database where that is allowed."""
    asked = text("SELECT installed_version, default_version FROM pg_available_extensions WHERE name = 'vector'")
    found = conn.execute(asked).one_or_none()
    if found is None:
        return False
    if found.installed_version is not None:
        return _is_new_enough(found.installed_version)
    trying = conn.begin_nested()
    try:
        conn.exec_driver_sql("CREATE EXTENSION vector")
    except Exception:  # noqa: BLE001 - not allowed here; a check says so
        trying.rollback()
        return False
    return _is_new_enough(found.default_version)


def _is_new_enough(version: str) -> bool:
    return tuple(int(part) for part in version.split(".")[:2]) >= OLDEST


class NoVectors(VectorIndex):
    """What there is without pgvector: nothing to do and nothing to find."""

    @override
    def missing(self, conn: Connection, limit: int) -> list[Row[Any]]:
        return []

    @override
    def behind(self, conn: Connection) -> int:
        return 0

    @override
    def store(self, conn: Connection, items: Sequence[Row[Any]], vectors: "Vectors") -> None:
        pass

    @override
    def nearest(
        self,
        conn: Connection,
        tenant_id: str,
        vector: "Vectors",
        visible: ColumnElement[bool],
        limit: int,
        least: float = -1.0,
    ) -> list[tuple[Row[Any], float]]:
        return []

    @override
    def similarities(self, conn: Connection, vector: "Vectors", item_ids: Sequence[int]) -> dict[int, float]:
        return {}

    @override
    def start_over(self, conn: Connection) -> None:
        pass


class _Whole:
    """From which item on one may have no vector: so that not the whole table is joined every few seconds.

    Of two transactions the one that took the lower ids may be the last to end. So only `_ENDED_SECONDS` after an item
    was seen nothing will come below it any more. Every hour all is looked at again: another process may have given an
    item another model's vector, and a transaction may have lasted longer.
    """

    def __init__(self) -> None:
        self._first, self._counts_since = 0, monotonic()
        self._seen, self._seen_at = 0, -math.inf

    def first(self) -> int:
        """The lowest id that may have no vector."""
        if monotonic() - self._counts_since >= _AGAIN_SECONDS:
            self._first, self._counts_since = 0, monotonic()
        return self._first

    def note(self, highest: int) -> None:
        """All that are there now have a vector; the highest id among them."""
        if monotonic() - self._seen_at >= _ENDED_SECONDS:
            self._first = self._seen
            self._seen, self._seen_at = highest, monotonic()


class PostgresVectors(VectorIndex):
    """The vectors of one model. Make its indexes first: `index_statements`."""

    def __init__(self, model: str, dims: int) -> None:
        self._model, self._dims = model, int(dims)
        self._mine = _kept.c.model == model
        self._stale = (self._mine, _kept.c.is_stale)
        self._as_vector = f"halfvec({self._dims})"
        self._looked_to = 0
        self._whole = _Whole()

    @property
    def index_statements(self) -> str:
        """Make this model's index, and that of what is stale, where they are not there."""
        name = f"item_embeddings_{hashlib.sha256(f'{self._model}:{self._dims}'.encode()).hexdigest()[:12]}"
        model = self._model.replace("'", "''")
        return (
            f"CREATE INDEX IF NOT EXISTS {name} ON item_embeddings USING hnsw "
            f"((embedding::{self._as_vector}) halfvec_cosine_ops) WHERE model = '{model}'; "
            "CREATE INDEX IF NOT EXISTS item_embeddings_stale ON item_embeddings (item_id) WHERE is_stale"
        )

    @override
    def missing(self, conn: Connection, limit: int) -> list[Row[Any]]:
        of_item = _items.join(_kept, _kept.c.item_id == memory_items.c.id)
        stale = conn.execute(of_item.where(*self._stale).order_by(memory_items.c.id).limit(limit)).all()
        return [*stale, *self._without_any(conn, limit - len(stale))]

    def _without_any(self, conn: Connection, limit: int) -> list[Row[Any]]:
        if not limit:
            return []
        first = self._whole.first()
        # Behind the last batch mostly everything has a vector: that is looked through only where nothing follows.
        rows = self._without(conn, limit, max(first, self._looked_to))
        if not rows and self._looked_to > first:
            rows = self._without(conn, limit, first)
        if not rows:
            self._whole.note(conn.execute(select(func.max(memory_items.c.id))).scalar() or 0)
        self._looked_to = rows[0].id if rows else 0
        return rows

    def _without(self, conn: Connection, limit: int, first: int) -> list[Row[Any]]:
        query = _items.where(*self._none_from(first)).order_by(memory_items.c.id).limit(limit)
        return list(conn.execute(query).all())

    def _none_from(self, first: int) -> tuple[ColumnElement[bool], ...]:
        of_item = select(_kept.c.item_id).where(_kept.c.item_id == memory_items.c.id, self._mine)
        return memory_items.c.id >= first, ~of_item.exists()

    @override
    def behind(self, conn: Connection) -> int:
        none = select(func.count()).select_from(memory_items).where(*self._none_from(self._whole.first()))
        stale = select(func.count()).select_from(_kept).where(*self._stale)
        return int(conn.execute(none).scalar_one() + conn.execute(stale).scalar_one())

    @override
    def store(self, conn: Connection, items: Sequence[Row[Any]], vectors: "Vectors") -> None:
        rows = [
            {"model": self._model, "id": item.id, "memory_id": item.memory_id, "embedding": vector.tolist()}
            for item, vector in zip(items, vectors, strict=True)
        ]
        if rows:
            conn.execute(_STORE, rows)

    @override
    def nearest(
        self,
        conn: Connection,
        tenant_id: str,
        vector: "Vectors",
        visible: ColumnElement[bool],
        limit: int,
        least: float = -1.0,
    ) -> list[tuple[Row[Any], float]]:
        conn.exec_driver_sql(_FILTERED)
        distance = self._distance(vector)
        query = (
            select(memory_items, distance.label("distance"))
            .join(_kept, _kept.c.item_id == memory_items.c.id)
            .where(self._mine, memory_items.c.tenant_id == tenant_id, visible)
            .order_by(distance)
            .limit(limit)
        )
        rows = conn.execute(query).all()
        # A text without words has no direction, and its distance is no number.
        return [(row, 1.0 - row.distance) for row in rows if 1.0 - row.distance >= least]

    @override
    def similarities(self, conn: Connection, vector: "Vectors", item_ids: Sequence[int]) -> dict[int, float]:
        query = select(_kept.c.item_id, self._distance(vector).label("distance")).where(self._mine)
        rows = conn.execute(query.where(_kept.c.item_id == func.any(list(item_ids))))
        return {row.item_id: 1.0 - row.distance for row in rows if not math.isnan(row.distance)}

    def _distance(self, vector: "Vectors") -> ColumnElement[float]:
        numbers = "[" + ",".join(f"{number:.6g}" for number in vector.tolist()) + "]"
        kept: ColumnElement[Any] = literal_column(f"item_embeddings.embedding::{self._as_vector}")
        return kept.op("<=>")(literal_column(f"'{numbers}'::{self._as_vector}"))

    @override
    def start_over(self, conn: Connection) -> None:
        conn.execute(update(_kept).where(self._mine).values(is_stale=True))
