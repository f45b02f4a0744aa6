"""Vectors on PostgreSQL: plain arrays, which need no extension, and an HNSW index of pgvector's over each model's.

The index is over the arrays as half-precision vectors of that model's size, and of its rows alone: models of different
sizes stand side by side while one takes over from the other.
"""

import hashlib
import math
from collections.abc import Sequence
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
    or_,
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


class PostgresVectors(VectorIndex):
    """The vectors of one model. Make its index first: `index_statement`."""

    def __init__(self, model: str, dims: int) -> None:
        self._model, self._dims = model, int(dims)
        self._mine = _kept.c.model == model
        self._as_vector = f"halfvec({self._dims})"
        self._looked_to = 0

    @property
    def index_statement(self) -> str:
        """Makes this model's index where it is not there."""
        name = f"item_embeddings_{hashlib.sha256(f'{self._model}:{self._dims}'.encode()).hexdigest()[:12]}"
        model = self._model.replace("'", "''")
        return (
            f"CREATE INDEX IF NOT EXISTS {name} ON item_embeddings USING hnsw "
            f"((embedding::{self._as_vector}) halfvec_cosine_ops) WHERE model = '{model}'"
        )

    @override
    def missing(self, conn: Connection, limit: int) -> list[Row[Any]]:
        # Behind the last batch mostly everything has a vector: all of it is looked through only where nothing follows.
        rows = self._missing(conn, limit, self._looked_to)
        if not rows and self._looked_to:
            rows = self._missing(conn, limit, 0)
        self._looked_to = rows[0].id if rows else 0
        return rows

    def _missing(self, conn: Connection, limit: int, first: int) -> list[Row[Any]]:
        c = memory_items.c
        of_item = (_kept.c.item_id == c.id) & self._mine
        query: Select[Any] = select(c.id, c.memory_id, c.tenant_id, c.text).outerjoin(_kept, of_item)
        query = query.where(c.id >= first, or_(_kept.c.item_id.is_(None), _kept.c.is_stale))
        return list(conn.execute(query.order_by(c.id).limit(limit)).all())

    @override
    def behind(self, conn: Connection) -> int:
        # Each vector is of an item that is there, so that two counts say it without a join.
        items = select(func.count()).select_from(memory_items).scalar_subquery()
        kept = select(func.count()).select_from(_kept).where(self._mine, ~_kept.c.is_stale).scalar_subquery()
        return int(conn.execute(select(items - kept)).scalar_one())

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
