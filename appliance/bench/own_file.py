"""A database file that a benchmark may make anew: never a person's box."""

import sqlite3
from contextlib import closing
from pathlib import Path

from appliance.errors import InvalidError

_OURS = 0x6D62_6E63  # SQLite's application_id, in the file's header; a box's is 0


def make_anew(path: Path) -> None:
    """Put an empty database, marked as a benchmark's, at `path`; one that a benchmark left there goes first.

    Memories of an earlier run would stand beside the same ones again, and every figure would be worse.

    Raises:
        InvalidError: `not_a_benchmark`, something else is there; it was left alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not _is_ours(path):
        raise InvalidError(
            "not_a_benchmark", f"{path} is not a database that a benchmark has made, and is left alone; name another."
        )
    for name in ("", "-wal", "-shm"):
        path.with_name(path.name + name).unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as conn:
        conn.execute(f"PRAGMA application_id = {_OURS}")


def _is_ours(path: Path) -> bool:
    if path.is_dir():
        return False
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as conn:
            return bool(conn.execute("PRAGMA application_id").fetchone()[0] == _OURS)
    except sqlite3.DatabaseError:
        return False
