"""membox: a memory box, one private place where a person and their agents keep what they know."""

__version__ = "0.1.0"
