"""Recall by meaning: candidates whose vectors are near the question's, and the upkeep of those vectors.

An item is recallable by its words at once and by its meaning a moment later: its vector is made off the write's path.
Without a model, or with one that fails, everything here finds nothing, and words alone answer.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import accumulate
from threading import Lock
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Literal, override

from sqlalchemy import ColumnElement, Connection, Row

from appliance.errors import MemboxError, NotConfiguredError
from appliance.jobs import Finish, Kind, Running
from appliance.memory.candidates import CandidateSource, Query
from appliance.memory.embedding import Embedder, embedder
from appliance.memory.embedding.choice import unusable
from appliance.storage import Database
from appliance.storage.vectors import VectorIndex

if TYPE_CHECKING:
    from appliance.storage.vectors import Vectors as Matrix

type Size = Literal["off", "light", "better"]
_BATCH, _BATCH_CHARACTERS = 256, 20_000  # at most so many items get their vectors at once, of about so much text
_AGAIN_SECONDS = 60.0  # after which a model that failed is tried again
_ALONE_SECONDS = 1.0
_TURN_SECONDS, _PAUSE_SECONDS = 5.0, 0.05  # of a job
VECTORS = "vectors"
_QUESTIONS_KEPT = 64
_log = logging.getLogger(__name__)


def vectors_kind(vectors: "Vectors") -> Kind:
    """Jobs of no tenant that give every item its vector: where several processes share a store, one does it at a time.

    A model that does not work makes the job fail, so that it is tried elsewhere or later.
    """

    def work(running: Running) -> Finish:
        while not vectors.catch_up(_TURN_SECONDS):
            running.proceed()
            if vectors.fault:
                raise NotConfiguredError("no_embedding_model", vectors.fault)
            sleep(_PAUSE_SECONDS)  # another thread of this process may be at it
        return lambda _conn: {}

    return Kind(VECTORS, work)


class Vectors(CandidateSource):
    """Finds items by meaning.

    Args:
        database: where items and vectors are.
        size: which embedding model; `off` for none.

    Attributes:
        is_alone: whether no daemon is there to make vectors: a command that has opened the home itself.
    """

    is_alone = False

    def __init__(self, database: Database, size: Size) -> None:
        self._database, self._size = database, size
        self._making, self._catching_up = Lock(), Lock()
        self._model: tuple[Embedder, VectorIndex] | None = None
        self._fault, self._rests_until = "", 0.0

    def _ready(self) -> tuple[Embedder, VectorIndex] | None:
        """The model and the index of its vectors; None when there is none, or it has failed a moment ago."""
        if self._size == "off" or monotonic() < self._rests_until:
            return None
        with self._making:
            if self._model is None:
                try:
                    self._make(self._size)
                except MemboxError as fault:  # not installed; or writes are held, and its index cannot be made
                    self._fault, self._rests_until = fault.sentence, monotonic() + _AGAIN_SECONDS
        return self._model

    def _make(self, size: Literal["light", "better"]) -> None:
        model = embedder(size)
        self._model = model, self._database.vector_index(model.name, model.dims)
        self.floor, self._fault = model.floor, ""
        # Found, and then compared with what words found: one question is asked twice.
        self._embed_one = lru_cache(_QUESTIONS_KEPT)(lambda text: model.embed([text])[0])

    @property
    def fault(self) -> str:
        """Why nothing is found by meaning, in a sentence; empty when all is well, or when that is switched off."""
        return self._fault

    def vector_of(self, text: str) -> "Matrix | None":
        """The vector of one text; None when there is no model, none that works, or it knows nothing of the text."""
        if self._ready() is None:
            return None
        try:
            vector = self._embed_one(text)
        except Exception as fault:  # noqa: BLE001 - whatever fails in a library, words still answer; doctor tells of it
            self._note(fault)
            return None
        self._fault = ""
        return vector if vector.any() else None

    @override
    def find(self, conn: Connection, query: Query, visible: ColumnElement[bool], limit: int) -> list[Row[Any]]:
        vector = self.vector_of(query.text)
        if self._model is None or vector is None:
            return []
        model, index = self._model
        return [row for row, _ in index.nearest(conn, query.tenant_id, vector, visible, limit, model.floor)]

    @override
    def cosines(self, conn: Connection, query: Query, item_ids: Sequence[int]) -> dict[int, float]:
        vector = self.vector_of(query.text)
        if self._model is None or vector is None:
            return {}
        return self._model[1].similarities(conn, vector, item_ids)

    def behind(self) -> int:
        """How many items have no vector yet; none when there is no model."""
        self._ready()
        if self._model is None:
            return 0
        with self._database.read() as conn:
            return self._model[1].behind(conn)

    def is_behind(self) -> bool:
        """Whether any item has no vector yet; never when there is no model. For every few seconds: `behind` counts."""
        self._ready()
        if self._model is None:
            return False
        with self._database.read() as conn:
            return bool(self._model[1].missing(conn, 1))

    def catch_up(self, within: float = float("inf")) -> bool:
        """Give items their vectors for about so many seconds; whether all have one then.

        Where another thread is at it, it is left to that one. What fails in the model becomes the `fault`.
        """
        ready = self._ready()
        if ready is None or not self._catching_up.acquire(blocking=False):
            return self._size == "off"
        try:
            deadline = monotonic() + within
            while self._embed_some(*ready):
                if self._fault or monotonic() >= deadline:
                    return False
        finally:
            self._catching_up.release()
        return True

    def prepare(self) -> None:
        """Before a recall: where no daemon makes vectors, items that have none get theirs now, for a second of it."""
        if self.is_alone:
            with suppress(MemboxError):  # writes are held, the disk is full: what is there is found all the same
                self.catch_up(_ALONE_SECONDS)

    def start_over(self) -> None:
        """Have the vector of every item made anew, by and by; until then the old ones are found."""
        self._rests_until = 0.0
        if ready := self._ready():
            self._database.write(ready[1].start_over)

    def _embed_some(self, model: Embedder, index: VectorIndex) -> bool:
        """Give the next items their vectors; False when there are none."""
        with self._database.read() as conn:
            items = index.missing(conn, _BATCH)
        if not items:
            return False
        sizes = accumulate(len(item.text) for item in items)
        items = items[: max(1, sum(size <= _BATCH_CHARACTERS for size in sizes))]
        try:
            vectors = model.embed([item.text for item in items])
        except Exception as fault:  # noqa: BLE001 - as in `vector_of`
            self._note(fault)
        else:
            self._database.write(lambda conn: index.store(conn, items, vectors), repeatable=True)
            self._fault = ""
        return True

    def _note(self, fault: Exception) -> None:
        sentence = unusable("light" if self._size == "light" else "better", str(fault) or type(fault).__name__).sentence
        if sentence != self._fault:
            _log.warning("%s", sentence, exc_info=fault)
        self._fault, self._rests_until = sentence, monotonic() + _AGAIN_SECONDS
