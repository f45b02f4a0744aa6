"""Items that agents and people keep: remember, recall, inspect, forget, the notebook's sections, and models."""

from appliance.memory.registry import Registry
from appliance.memory.sections import NotebookSections
from appliance.memory.service import Memory

__all__ = ["Memory", "NotebookSections", "Registry"]
