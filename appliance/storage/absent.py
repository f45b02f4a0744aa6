"""Rows that are inserted unless they are there already, in the words of each dialect."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, Table


def insert_absent(conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert `rows` into `table`, but for those of which the primary key is there already.

    Safe when two do it at once: one inserts, the other waits for it and inserts nothing.
    """
    if rows:
        dialect = import_module(f"sqlalchemy.dialects.{conn.dialect.name}")  # the one that is in use, and loaded then
        conn.execute(dialect.insert(table).on_conflict_do_nothing(), rows)
