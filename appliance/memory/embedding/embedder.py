"""What an embedding model is to the rest of membox."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from appliance.errors import NotConfiguredError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from appliance.storage.vectors import Vectors


class Embedder(Protocol):
    """Turns texts into vectors whose cosine tells how near their meanings are.

    Thread safe; needs no network. Its weights are read when it is first asked to embed.
    """

    @property
    def name(self) -> str:
        """The model's name with the version of the package it is from; vectors of another name are not comparable."""

    @property
    def dims(self) -> int:
        """How many numbers a vector has."""

    @property
    def floor(self) -> float:
        """The cosine below which a text has nothing to do with a question that shares no word with it."""

    def embed(self, texts: Sequence[str]) -> "Vectors":
        """float32 of shape (len(texts), dims), each row of length 1; zeros for a text without anything known.

        Raises ImportError, or what a library raises, when the model cannot be used on this machine.
        """


def file_of(package: str, path: str) -> Path:
    """A file that another package brings, found without running any of that package's code.

    Raises:
        NotConfiguredError: the package is not installed, or has no such file.
    """
    spec = find_spec(package)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (file := Path(place).absolute() / path).is_file():
            return file
    raise NotConfiguredError("no_embedding_model", f"the package {package} with its {Path(path).name} is not installed")


def of_length_one(vectors: "NDArray[np.float32]") -> "Vectors":
    """Each row divided by its length; zeros stay zeros."""
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    return vectors / lengths
