"""Alembic migrations, one file a schema version; run as a module with the database file's path."""
