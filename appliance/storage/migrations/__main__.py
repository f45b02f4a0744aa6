"""`python -m appliance.storage.migrations FILE`: bring a SQLite file to the newest schema; with `-` in the place of the
file, the PostgreSQL database whose address and password come on the standard input, as JSON.

All pending migrations run in one transaction, so a kill in the middle leaves the old schema.
"""

import json
import sqlite3
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.exc import DBAPIError

from appliance.errors import MemboxError
from appliance.storage.postgres_server import Server, begin, commit

_MIGRATING = 0x6D656D626F78  # of several daemons that start at once, one migrates


def upgrade(path: Path) -> None:
    """Migrate the file at `path`, creating it when absent."""
    engine = create_engine(URL.create("sqlite", database=str(path)))

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # so that schema changes are part of the transaction
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def begin_immediate(conn: Connection) -> None:
        conn.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.begin() as conn:
        _to_newest(conn)


def upgrade_postgres(server: Server) -> None:
    """Migrate the database on a server; waits while another process does."""
    conn = begin(server.engine(), f"BEGIN; SELECT pg_advisory_xact_lock({_MIGRATING})")
    with conn:
        _to_newest(conn)
        commit(conn)


def _to_newest(conn: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = conn
    command.upgrade(config, "head")


if __name__ == "__main__":
    try:
        if sys.argv[1] == "-":
            upgrade_postgres(Server(**json.load(sys.stdin)))
        else:
            upgrade(Path(sys.argv[1]))
    except DBAPIError as fault:
        sys.exit(str(fault.orig).strip().partition("\n")[0])  # a traceback's last line would be a link to a manual
    except MemboxError as told:
        sys.exit(told.sentence)
