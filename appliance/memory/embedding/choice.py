"""Which embedding model a box uses (`memory.embedding`)."""

from typing import Literal

from appliance.errors import NotConfiguredError
from appliance.memory.embedding.better import BetterEmbedder
from appliance.memory.embedding.embedder import Embedder
from appliance.memory.embedding.light import LightEmbedder

type Size = Literal["light", "better"]
_SIZES: dict[Size, type[Embedder]] = {"light": LightEmbedder, "better": BetterEmbedder}


def embedder(size: Size) -> Embedder:
    """The embedding model of that size; raises NotConfiguredError when it is not installed."""
    try:
        return _SIZES[size]()
    except (NotConfiguredError, ImportError) as fault:
        raise unusable(size, str(fault)) from fault


def unusable(size: Size, why: str) -> NotConfiguredError:
    """The error for a model that is not there, or that does not work on this machine."""
    return NotConfiguredError(
        "no_embedding_model",
        f"The {size} embedding model cannot be used ({why}): install membox with all its parts (`pip install "
        "'membox[embedding]'`), or choose another model with `membox config set memory.embedding light` (better, off).",
    )
