"""Instruction targets: `CLAUDE.md`, `AGENTS.md` and others that carry the curated memory in a managed block."""

from appliance.notebook.targets.service import Targets

__all__ = ["Targets"]
