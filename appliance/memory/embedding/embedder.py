"""What an embedding model is to the rest of membox."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from appliance.storage.vectors import Vectors


class Embedder(Protocol):
    """Turns texts into vectors whose cosine tells how near their meanings are. Thread safe, needs no network."""

    @property
    def name(self) -> str:
        """The model's name with its version; vectors of another name are not comparable."""

    @property
    def dims(self) -> int:
        """How many numbers a vector has."""

    @property
    def floor(self) -> float:
        """The cosine below which a text has nothing to do with a question that shares no word with it."""

    def embed(self, texts: Sequence[str]) -> "Vectors":
        """float32 of shape (len(texts), dims), each row of length 1; zeros for a text without any known word."""
