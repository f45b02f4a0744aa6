"""Reading a copy of the database that nobody has open: what it holds, and whether it is sound. Nothing is written,
but for `forget_running`.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from appliance.errors import StorageError
from appliance.storage import schema

# What a box writes about its own upkeep, mirroring and recalling included, is no change worth a new copy; nor is what
# is made of the texts.
_UPKEEP = {"job_runs", "recall_traces", "recall_trace_items", "item_vectors", "removed_vectors"}
_COUNTED = {
    "items": schema.memory_items,
    "documents": schema.documents,
    "versions": schema.document_versions,
    "jobs": schema.jobs,
    "models": schema.model_versions,
    "signals": schema.model_signals,
}
_SETTING_UP = "membox"  # the author of the files that a new box has (notebook/watch.py)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    # immutable: also on a read-only disk, and no -shm file beside the copy.
    conn = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        yield conn
    finally:
        conn.close()


@contextmanager
def reading(path: Path) -> Iterator[Connection]:
    """A connection that reads the copy; StorageError when it cannot."""
    engine = create_engine(f"sqlite:///{path.absolute().as_uri()}?mode=ro&immutable=1&uri=true", poolclass=NullPool)
    try:
        with engine.connect() as conn:
            yield conn
    except DBAPIError as fault:
        raise StorageError("copy_unreadable", f"{path} could not be read ({fault.orig}).") from fault


def faults_of(path: Path) -> list[str]:
    """What is wrong with the copy's pages and references; empty when it is sound."""
    try:
        with _opened(path) as conn:
            return unsound(conn)
    except sqlite3.Error as fault:
        return [str(fault)]


def unsound(conn: sqlite3.Connection) -> list[str]:
    """What is wrong with the pages and references of an open database."""
    faults = [str(row[0]) for row in conn.execute("PRAGMA integrity_check(20)") if row[0] != "ok"]
    return faults + [f"broken reference in {row[0]} row {row[1]}" for row in conn.execute("PRAGMA foreign_key_check")]


def forget_running(path: Path) -> None:
    """Take out of a fresh copy the runs that had not ended, its own making among them: in the copy nothing runs."""
    conn = sqlite3.connect(path)
    try:
        with conn:
            conn.execute(f'DELETE FROM "{schema.job_runs.name}" WHERE outcome IS NULL')  # noqa: S608 - our own name
    finally:
        conn.close()


def content_digest(path: Path) -> str:
    """A hash of every row that matters, independent of how the pages lie; two copies with the same say the same."""
    digest = hashlib.sha256()
    with _opened(path) as conn:
        for table in sorted(schema.metadata.tables.values(), key=lambda table: table.name):
            if table.name not in _UPKEEP:
                digest.update(f"\n{table.name}\n".encode())
                order = ", ".join(f'"{column.name}"' for column in table.primary_key.columns)
                for row in conn.execute(f'SELECT * FROM "{table.name}" ORDER BY {order}'):  # noqa: S608 - our own names
                    digest.update(repr(row).encode())
    return digest.hexdigest()


def is_untouched(path: Path) -> bool:
    """Whether nobody has put anything into this database, of which nobody writes now: all there is, setting up made.

    Unlike the others this reads what a killed process left in the write-ahead log.
    """
    conn = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        items = conn.execute(f'SELECT count(*) FROM "{schema.memory_items.name}"').fetchone()[0]  # noqa: S608 - our own
        by_others = f'SELECT count(*) FROM "{schema.document_versions.name}" WHERE author != ?'  # noqa: S608 - our own
        return not items and not conn.execute(by_others, (_SETTING_UP,)).fetchone()[0]
    finally:
        conn.close()


def counts(path: Path) -> dict[str, int]:
    """How many memory items, documents and so on the copy holds; nothing of tables that its schema did not have yet."""
    with _opened(path) as conn:
        there = {row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        return {
            name: int(conn.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()[0])  # noqa: S608 - our own names
            for name, table in _COUNTED.items()
            if table.name in there
        }
