"""The hooks of Claude Code: put into its settings and taken out again, and what they run (docs/sessions.md)."""
