"""What works beside agents: their sessions and hooks, and what their transcripts hold that deserves remembering."""
