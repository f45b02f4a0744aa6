"""Items that agents and people keep: remember, recall, inspect, forget, the notebook's sections, and models."""

from appliance.memory.registry import Registry
from appliance.memory.sections import NotebookSections
from appliance.memory.service import Memory
from appliance.memory.work import Work

__all__ = ["Memory", "NotebookSections", "Registry", "Work"]
