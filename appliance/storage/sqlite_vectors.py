"""Vectors on SQLite: bytes in a table, which is the truth; and, to search them, a tenant's copy of them in memory.

A number is kept as a signed byte, and a vector with the scale that makes its bytes numbers again. They are scored in
blocks cast to float32, as numpy's product of bytes overflows.

A copy follows the table without being told: every vector has an id that is never used again, so what was added has a
higher one than all before, and a trigger writes down the ids of those that went. So a reader's snapshot brings a copy
up to that snapshot, whoever wrote and whatever was rolled back; one older than the copy finds nothing new. What the
copy proposes is looked up, by that id, in the reader's own snapshot.
"""

import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, override

from sqlalchemy import ColumnElement, Connection, Integer, Row, Select, bindparam, delete, func, insert, select, text

from appliance.storage.direct import Direct, written
from appliance.storage.schema import box_state, item_vectors, memory_items, removed_vectors
from appliance.storage.vectors import VectorIndex

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from appliance.storage.vectors import Vectors

_BLOCK_ROWS = 2048
_MEMORY_BYTES = 256 * 1024 * 1024  # of copies; beyond, the tenants that asked longest ago give theirs up
_COPY_BYTES = 2048  # that a copy takes beside its numbers
_REMEMBERED = 10_000  # ids of vectors that went; a copy that missed more is made anew
_LARGEST = 127
_STATE = "vectors"  # box_state: up to which item the vectors are this model's

_given = text("SELECT value AS id FROM json_each(:ids)").columns(id=Integer).subquery("given")
_added = Direct(
    select(item_vectors.c.id, item_vectors.c.scale, item_vectors.c.vector)
    .where(
        item_vectors.c.tenant_id == bindparam("tenant_id"),
        item_vectors.c.id > bindparam("after"),
        item_vectors.c.model == bindparam("model"),
    )
    .order_by(item_vectors.c.id)
    .limit(_BLOCK_ROWS)
)
_removed = Direct(
    select(removed_vectors.c.id, removed_vectors.c.vector_id)
    .where(removed_vectors.c.id >= bindparam("since"))
    .order_by(removed_vectors.c.id)
    .limit(_REMEMBERED + 1)
)
_of_items = Direct(
    select(item_vectors.c.item_id, item_vectors.c.scale, item_vectors.c.vector)
    .join(_given, _given.c.id == item_vectors.c.item_id)
    .where(item_vectors.c.model == bindparam("model"))
)
_VISIBLE = """
    SELECT memory_items.*, item_vectors.id AS vector_id FROM json_each(?) AS given
    CROSS JOIN item_vectors ON item_vectors.id = given.value
    CROSS JOIN memory_items ON memory_items.id = item_vectors.item_id
    WHERE {visible}
"""
_last_removed = select(func.coalesce(func.max(removed_vectors.c.id), 0))
_insert = Direct(insert(item_vectors), [column.name for column in item_vectors.c if column.name != "id"])


@dataclass(frozen=True, slots=True)
class _Block:
    """Vectors in the order of their ids; never changed, so that it is read without a lock."""

    ids: "NDArray[np.int64]"
    scales: "NDArray[np.float32]"
    codes: "NDArray[np.int8]"

    @property
    def bytes(self) -> int:
        return self.ids.nbytes + self.scales.nbytes + self.codes.nbytes


@dataclass(slots=True)
class _Copy:
    """A tenant's vectors in memory, as they were in the newest snapshot that asked."""

    blocks: tuple[_Block, ...] = ()
    last_added: int = 0
    last_removed: int | None = None  # None: nothing was read yet
    lock: Lock = field(default_factory=Lock)

    @property
    def bytes(self) -> int:
        return _COPY_BYTES + sum(block.bytes for block in self.blocks)


class SqliteVectors(VectorIndex):
    """The vectors of `model`, each of `dims` numbers."""

    def __init__(self, model: str, dims: int) -> None:
        self._model, self._dims = model, dims
        self._copies: OrderedDict[str, _Copy] = OrderedDict()
        self._lock = Lock()

    @override
    def missing(self, conn: Connection, limit: int) -> list[Row[Any]]:
        items = memory_items.c
        wanted: Select[Any] = select(items.id, items.memory_id, items.tenant_id, items.text)
        return list(conn.execute(wanted.where(items.id > self._done(conn)).order_by(items.id).limit(limit)).all())

    @override
    def behind(self, conn: Connection) -> int:
        missing = select(func.count()).select_from(memory_items).where(memory_items.c.id > self._done(conn))
        return conn.execute(missing).scalar_one()

    @override
    def store(self, conn: Connection, items: Sequence[Row[Any]], vectors: "Vectors") -> None:
        ids = {"ids": json.dumps([item.id for item in items])}
        done = self._done(conn)
        there = select(memory_items.c.id, memory_items.c.memory_id).join(_given, _given.c.id == memory_items.c.id)
        kept = {row.id: row.memory_id for row in conn.execute(there, ids)}
        first = conn.execute(select(func.min(memory_items.c.id)).where(memory_items.c.id > done)).scalar()
        conn.execute(delete(item_vectors).where(item_vectors.c.item_id.in_(select(_given.c.id))), ids)
        scales, codes = _as_bytes(vectors)
        rows = [
            {
                "item_id": item.id,
                "tenant_id": item.tenant_id,
                "model": self._model,
                "scale": float(scale),
                "vector": code.tobytes(),
            }
            for item, scale, code in zip(items, scales, codes, strict=True)
            if kept.get(item.id) == item.memory_id
        ]
        _insert.many(conn, rows)
        if first is not None and first >= items[0].id:  # else it was started over meanwhile
            self._set_done(conn, items[-1].id)
        last = _last_removed.scalar_subquery()
        conn.execute(delete(removed_vectors).where(removed_vectors.c.id <= last - _REMEMBERED))

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
        condition, values = written(visible, conn.dialect)
        statement = _VISIBLE.format(visible=condition)
        found: list[tuple[Row[Any], float]] = []
        for cosine_of in self._best_first(conn, tenant_id, vector, limit, least):
            rows = conn.exec_driver_sql(statement, (json.dumps(list(cosine_of)), *values)).all()
            found += sorted(((row, cosine_of[row.vector_id]) for row in rows), key=lambda pair: (-pair[1], -pair[0].id))
            if len(found) >= limit:
                break
        return found[:limit]

    @override
    def similarities(self, conn: Connection, vector: "Vectors", item_ids: Sequence[int]) -> dict[int, float]:
        rows = _of_items.rows(conn, {"ids": json.dumps(list(item_ids)), "model": self._model})
        if not rows:
            return {}
        block = self._block(rows)
        return dict(zip(block.ids.tolist(), _cosines([block], vector).tolist(), strict=True))

    @override
    def start_over(self, conn: Connection) -> None:
        conn.execute(delete(box_state).where(box_state.c.key == _STATE))

    def _done(self, conn: Connection) -> int:
        """The item up to which all have a vector of this model.

        Row ids are used again after the highest item was forgotten, so it is never beyond the highest with a vector.
        """
        state = conn.execute(select(box_state.c.value).where(box_state.c.key == _STATE)).scalar()
        model, _, done = (state or "").rpartition(" ")
        if model != self._model:
            return 0
        return min(int(done), conn.execute(select(func.max(item_vectors.c.item_id))).scalar() or 0)

    def _set_done(self, conn: Connection, item_id: int) -> None:
        self.start_over(conn)
        conn.execute(insert(box_state), {"key": _STATE, "value": f"{self._model} {item_id}"})

    def _best_first(
        self, conn: Connection, tenant_id: str, vector: "Vectors", limit: int, least: float
    ) -> Iterator[dict[int, float]]:
        """The cosines of vectors by their id, in ever larger portions, each lower than those before."""
        import numpy as np

        blocks = self._copy_of(conn, tenant_id)
        if not blocks:
            return
        ids = np.concatenate([block.ids for block in blocks])
        cosines = _cosines(blocks, vector)
        near = np.flatnonzero(cosines >= least)
        portion = limit
        while near.size:
            order = np.argpartition(cosines[near], -portion) if near.size > portion else np.arange(near.size)
            best = near[order[-portion:]]
            yield dict(zip(ids[best].tolist(), cosines[best].tolist(), strict=True))
            near = near[order[:-portion]]
            portion *= 4

    def _copy_of(self, conn: Connection, tenant_id: str) -> tuple[_Block, ...]:
        with self._lock:
            copy = self._copies.setdefault(tenant_id, _Copy())
            self._copies.move_to_end(tenant_id)
        with copy.lock:
            self._follow(conn, tenant_id, copy)
            blocks = copy.blocks
        with self._lock:
            total = sum(other.bytes for other in self._copies.values())
            while total > _MEMORY_BYTES and len(self._copies) > 1:
                total -= self._copies.popitem(last=False)[1].bytes
        return blocks

    def _follow(self, conn: Connection, tenant_id: str, copy: _Copy) -> None:
        """Bring a copy up to the snapshot of `conn`."""
        if copy.last_removed is not None:
            log = _removed.rows(conn, {"since": copy.last_removed})
            if copy.last_removed and not log:
                return  # this snapshot is older than the copy: what it could add may have gone since
            if len(log) > _REMEMBERED or (log and log[0][0] > max(copy.last_removed, 1)):  # not all is there any more
                copy.blocks, copy.last_added, copy.last_removed = (), 0, None
            elif log:
                copy.blocks = _without(copy.blocks, [vector_id for _, vector_id in log])
                copy.last_removed = log[-1][0]
        if copy.last_removed is None:
            copy.last_removed = conn.execute(_last_removed).scalar_one()
        while rows := _added.rows(conn, {"tenant_id": tenant_id, "after": copy.last_added, "model": self._model}):
            copy.blocks, copy.last_added = _with(copy.blocks, self._block(rows)), rows[-1][0]

    def _block(self, rows: Sequence[Any]) -> _Block:
        """Rows of an id, a scale and a vector's bytes."""
        import numpy as np

        codes = np.frombuffer(b"".join(row[2] for row in rows), dtype=np.int8).reshape(len(rows), self._dims)
        return _Block(
            np.fromiter((row[0] for row in rows), np.int64, len(rows)),
            np.fromiter((row[1] for row in rows), np.float32, len(rows)),
            codes,
        )


def _as_bytes(vectors: "Vectors") -> "tuple[NDArray[np.float32], NDArray[np.int8]]":
    """Each vector's scale, and its numbers divided by that, as whole numbers from -127 to 127."""
    import numpy as np

    scales = np.abs(vectors).max(axis=1, initial=0.0) / _LARGEST
    codes = np.rint(vectors / np.where(scales == 0, 1, scales)[:, None])
    return scales.astype(np.float32), codes.astype(np.int8)


def _cosines(blocks: Sequence[_Block], vector: "Vectors") -> "NDArray[np.float32]":
    import numpy as np

    numbers = np.empty((max(len(block.ids) for block in blocks), vector.size), dtype=np.float32)
    cosines = []
    for block in blocks:
        numbers[: len(block.ids)] = block.codes
        cosines.append(numbers[: len(block.ids)] @ vector * block.scales)
    return np.concatenate(cosines)


def _with(blocks: tuple[_Block, ...], new: _Block) -> tuple[_Block, ...]:
    """`new` joined to the last block while there is room in that: few large blocks are scored faster than many."""
    import numpy as np

    if not blocks or len(blocks[-1].ids) + len(new.ids) > _BLOCK_ROWS:
        return (*blocks, new)
    last = blocks[-1]
    joined = _Block(
        np.concatenate([last.ids, new.ids]),
        np.concatenate([last.scales, new.scales]),
        np.concatenate([last.codes, new.codes]),
    )
    return (*blocks[:-1], joined)


def _without(blocks: tuple[_Block, ...], gone: Sequence[int]) -> tuple[_Block, ...]:
    import numpy as np

    stays = [~np.isin(block.ids, gone) for block in blocks]
    left = [
        block if mask.all() else _Block(block.ids[mask], block.scales[mask], block.codes[mask])
        for block, mask in zip(blocks, stays, strict=True)
    ]
    return tuple(block for block in left if block.ids.size)
