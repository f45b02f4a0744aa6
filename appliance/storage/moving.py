"""Moving everything from one store into another, of the other dialect: all of it in one transaction, proved, or nothing
(contract DESIGN's command tree, `db move`).
"""

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection, Table, func, select

from appliance.errors import ConflictError, StorageError
from appliance.storage.copying import copy_rows, rows_of, tables
from appliance.storage.database import Database

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Moved:
    """How many rows each table had; every one of them was read back from the new store and compared."""

    rows: dict[str, int]


def move(source: Database, target: Database, place: str) -> Moved:
    """Put everything of `source` into the empty `target`, which errors call `place`; `source` is left as it is.

    Raises:
        ConflictError: `target` holds something already.
        StorageError: what was read back is not what was written; nothing was stored.
    """
    with source.read() as theirs:

        def work(ours: Connection) -> dict[str, int]:
            _require_empty(ours, place)
            counts = copy_rows(theirs, ours)
            _continue_numbering(ours)
            for table in tables():
                if digest(theirs, table) != digest(ours, table):
                    raise StorageError(
                        "move_failed", f"{table.name} was not the same in {place} afterwards; nothing was moved."
                    )
            return counts

        return Moved(target.write(work))


def digest(conn: Connection, table: Table) -> int:
    """A number made of every row of a table, whatever the order a dialect sorts them in; no two rows are the same."""
    found = 0
    for row in conn.execution_options(yield_per=_AT_ONCE).execute(rows_of(table)):
        found ^= int.from_bytes(hashlib.sha256(repr(tuple(row)).encode()).digest())
    return found


def _require_empty(conn: Connection, place: str) -> None:
    for table in tables():
        if conn.execute(rows_of(table).limit(1)).first() is not None:
            raise ConflictError(
                "not_empty", f"{place} holds a box's data already ({table.name}); name an empty database."
            )


def _continue_numbering(conn: Connection) -> None:
    """Let the server number new rows after those that brought their numbers."""
    if conn.dialect.name != "postgresql":
        return
    for table in tables():
        numbered = table.autoincrement_column
        if numbered is not None and not table.foreign_keys:
            last = select(func.max(numbered)).scalar_subquery()
            sequence = func.pg_get_serial_sequence(table.name, numbered.name)
            conn.execute(select(func.setval(sequence, last)).where(last.is_not(None), sequence.is_not(None)))
