"""Vectors beside the items: which still need one, keeping them, and which items lie nearest to a question.

Two dialects implement this class; SQLite is in `sqlite_vectors.py`. Vectors can always be made anew from the texts.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    type Vectors = NDArray[np.float32]  # (n, dims), or (dims,) for one; each of length 1, or all zeros

# numpy reads it when it is first imported, which is later than here. Two threads on one product of a few microseconds
# wait for each other most of the time, and where the processors are busy that takes a hundred times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


class VectorIndex(ABC):
    """The vectors of one embedding model, at most one an item. Those of another model count as not there.

    Thread safe. Get it with `Database.vector_index(model, dims)`.
    """

    @abstractmethod
    def missing(self, conn: Connection, limit: int) -> list[Row[Any]]:
        """Up to `limit` items without a vector, the oldest first: rows of `id`, `memory_id`, `tenant_id`, `text`.

        Costs little where none is: it is asked every few seconds.
        """

    @abstractmethod
    def behind(self, conn: Connection) -> int:
        """How many items have no vector yet."""

    @abstractmethod
    def store(self, conn: Connection, items: Sequence[Row[Any]], vectors: "Vectors") -> None:
        """Keep the vectors of `items`, rows that `missing` gave, in their order.

        An item that was forgotten since gets none, nor does another that has taken over its row id.
        """

    @abstractmethod
    def nearest(
        self,
        conn: Connection,
        tenant_id: str,
        vector: "Vectors",
        visible: ColumnElement[bool],
        limit: int,
        least: float = -1.0,
    ) -> list[tuple[Row[Any], float]]:
        """The `limit` items of a tenant nearest to `vector`, best first, each with its cosine (at least `least`).

        `visible` is part of the query, as for `Database.full_text`. Each row has all columns of `memory_items`.
        """

    @abstractmethod
    def similarities(self, conn: Connection, vector: "Vectors", item_ids: Sequence[int]) -> dict[int, float]:
        """The cosine to `vector` of each of these items (row ids) that has a vector."""

    @abstractmethod
    def start_over(self, conn: Connection) -> None:
        """Count every vector as missing, so that each is made anew. Until then the old ones are found."""
