"""A row that is inserted unless there is one already, in the words of each dialect."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def insert_absent(conn: Connection, table: Table, values: Mapping[str, Any]) -> None:
    """Insert `values` into `table`; nothing happens when a row with its primary key or a unique value is there.

    Safe when two do it at once: one inserts, the other waits for it and does nothing.
    """
    insert = _INSERT[conn.dialect.name]
    conn.execute(insert(table).values(**values).on_conflict_do_nothing())
