"""The database: its tables, its engine, its migrations. Everything dialect-specific lives here."""

from appliance.storage.database import Database
from appliance.storage.opening import open_database, open_postgres, schema_version

__all__ = ["Database", "open_database", "open_postgres", "schema_version"]
