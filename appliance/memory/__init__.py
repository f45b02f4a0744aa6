"""Items that agents and people keep: remember, recall, inspect, forget, and the notebook sections among them."""

from appliance.memory.sections import NotebookSections
from appliance.memory.service import Memory

__all__ = ["Memory", "NotebookSections"]
