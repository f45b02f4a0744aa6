"""Taking every row of a store over into another, of whichever dialect: for copies, and for a move between them."""

import sqlite3
from itertools import batched
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Select, Table, create_engine, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from appliance.storage import schema
from appliance.storage.sqlite import translate

# Made anew from the texts; and what is a dialect's own.
REBUILT = {"item_vectors", "removed_vectors"}
# Facts of `box_state` about the one store, and not about what it holds.
_OF_THE_STORE = ("notebook_term", "scrub_due")
_AT_ONCE = 500


def tables() -> list[Table]:
    """The tables whose rows are taken over, in an order in which references hold."""
    return [table for table in schema.metadata.sorted_tables if table.name not in REBUILT]


def rows_of(table: Table) -> Select[Any]:
    """The rows of a table that are taken over, in the order of its key."""
    rows = select(table).order_by(*table.primary_key.columns)
    return rows.where(table.c.key.not_in(_OF_THE_STORE)) if table is schema.box_state else rows


def copy_rows(source: Connection, target: Connection) -> dict[str, int]:
    """Put every row of `source`, which sees one moment, into the empty tables of `target`; how many, by table."""
    counts = {}
    for table in tables():
        rows = source.execution_options(yield_per=_AT_ONCE).execute(rows_of(table))
        counts[table.name] = 0
        for batch in batched(rows.mappings(), _AT_ONCE, strict=False):
            target.execute(insert(table), [dict(row) for row in batch])
            counts[table.name] += len(batch)
    return counts


def copy_into(source: Connection, target: Path) -> None:
    """Write everything `source` sees to the new SQLite file `target`, one file without a log.

    Raises:
        StorageError, StorageFullError: the file cannot be made.
    """
    from appliance.storage.opening import migrate

    migrate(target)
    engine = create_engine(URL.create("sqlite", database=str(target)), poolclass=NullPool, hide_parameters=True)
    try:
        with engine.connect() as conn:
            conn.exec_driver_sql("PRAGMA journal_mode = DELETE")
            copy_rows(source, conn)
            conn.commit()
    except DBAPIError as fault:
        raise (translate(fault) if isinstance(fault.orig, sqlite3.Error) else fault) from fault.orig
