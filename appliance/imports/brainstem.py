"""Brainstem's SQLite store: its live items with their ids, owners and times (contract memory-api, Environment)."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from appliance.errors import InvalidError

_FIELDS = (
    *("memory_id", "tenant_id", "agent_id", "scope", "type", "text", "trust_level", "confidence", "salience"),
    *("source_ref", "created_at", "expires_at"),
)


class BrainstemStore:
    """A copy of a Brainstem database, open for reading."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._columns = {row[1] for row in conn.execute("PRAGMA table_info(memory_items)")}

    @property
    def is_one(self) -> bool:
        """Whether this is Brainstem's; a box's own database has a table of the same name with other columns."""
        return {"memory_id", "tenant_id", "agent_id", "text", "tombstoned"} <= self._columns

    def count(self) -> int:
        """How many items `items` gives."""
        return int(self._conn.execute("SELECT count(*) FROM memory_items WHERE NOT tombstoned").fetchone()[0])

    def items(self) -> Iterator[dict[str, Any]]:
        """Every item that was not forgotten there, oldest first, with the fields of `memory.importing`."""
        # Its first versions had no expires_at.
        columns = ", ".join(f if f in self._columns else f"NULL AS {f}" for f in _FIELDS)
        rows = self._conn.execute(
            f"SELECT {columns} FROM memory_items WHERE NOT tombstoned ORDER BY created_at, rowid"  # noqa: S608 - our own names
        )
        return (dict(zip(_FIELDS, row, strict=True)) for row in rows)


@contextmanager
def opened(path: Path) -> Iterator[BrainstemStore]:
    """A copy of the database at `path`, with what its write-ahead log holds; the original is only read.

    Raises:
        InvalidError: there is no such file, it cannot be read, or it is no Brainstem database.
    """
    with tempfile.TemporaryDirectory(prefix="membox-import-") as directory:
        copy = Path(directory) / "brainstem.db"
        try:
            for suffix in ("", "-wal"):
                if not suffix or path.with_name(path.name + suffix).exists():
                    shutil.copyfile(path.with_name(path.name + suffix), copy.with_name(copy.name + suffix))
            with closing(sqlite3.connect(copy)) as conn:
                store = BrainstemStore(conn)
                if not store.is_one:
                    raise InvalidError("not_brainstem", f"{path} is no Brainstem database: it has none of its tables.")
                yield store
        except OSError as fault:
            raise InvalidError("unreadable", f"{path} cannot be read ({fault.strerror}); name a file.") from fault
        except sqlite3.DatabaseError as fault:
            raise InvalidError("not_brainstem", f"{path} is no Brainstem database ({fault}).") from fault
