"""The notebook: Markdown a person edits and agents append to, every version kept (contract notebook)."""

from appliance.notebook.materialise import write_notebook
from appliance.notebook.service import Notebook

__all__ = ["Notebook", "write_notebook"]
