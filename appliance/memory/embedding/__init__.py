"""What turns texts into vectors, on this machine alone: two models, of which `memory.embedding` names one."""

from appliance.memory.embedding.choice import embedder
from appliance.memory.embedding.embedder import Embedder

__all__ = ["Embedder", "embedder"]
