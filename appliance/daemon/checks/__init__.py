"""One module a check: what it looks at is its name. Being in this directory is all it takes (daemon/health.py)."""
