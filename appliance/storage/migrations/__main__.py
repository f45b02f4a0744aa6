"""`python -m appliance.storage.migrations FILE`: bring a SQLite file to the newest schema.

All pending migrations run in one transaction, so a kill in the middle leaves the old schema.
"""

import sqlite3
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.exc import DBAPIError


def upgrade(path: Path) -> None:
    """Migrate the file at `path`, creating it when absent."""
    engine = create_engine(URL.create("sqlite", database=str(path)))

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # so that schema changes are part of the transaction
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def begin(conn: Connection) -> None:
        conn.exec_driver_sql("BEGIN IMMEDIATE")

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    with engine.begin() as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, "head")


if __name__ == "__main__":
    try:
        upgrade(Path(sys.argv[1]))
    except DBAPIError as fault:
        sys.exit(str(fault.orig))  # the last line of a traceback would be a link to SQLAlchemy's manual
