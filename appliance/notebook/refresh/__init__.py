"""The refresh: what was noted taken into the curated memory by a language model, checked line by line."""
