"""Rows that are inserted unless they are there already, in the words of each dialect."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def insert_absent(conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert `rows` into `table`, but for those of which the primary key is there already.

    Safe when two do it at once: one inserts, the other waits for it and inserts nothing.
    """
    if rows:
        conn.execute(_INSERT[conn.dialect.name](table).on_conflict_do_nothing(), rows)
