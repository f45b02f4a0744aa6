"""Databases that a benchmark may make and drop: never a person's box."""

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from appliance.errors import InvalidError, NotConfiguredError

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


@contextmanager
def dropped_after(dsn: str) -> Iterator[str]:
    """The address of a database of its own on the server of `dsn`, whose user may make databases; it is gone after.

    Raises:
        NotConfiguredError: `no_server`, there is no address, or the server does not make one.
    """
    import psycopg

    if not dsn:
        raise NotConfiguredError("no_server", "Say where the PostgreSQL server is: MEMBOX_POSTGRES_DSN=postgresql://…")
    name = f"membox_benchmark_{secrets.token_hex(6)}"
    try:
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
    except psycopg.Error as fault:
        sentence = f"The PostgreSQL server gave no database to measure with: {str(fault).strip()}."
        raise NotConfiguredError("no_server", sentence) from fault
    try:
        yield urlsplit(dsn)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute(psycopg.sql.SQL("DROP DATABASE {} WITH (FORCE)").format(psycopg.sql.Identifier(name)))


def _is_ours(path: Path) -> bool:
    if path.is_dir():
        return False
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as conn:
            return bool(conn.execute("PRAGMA application_id").fetchone()[0] == _OURS)
    except sqlite3.DatabaseError:
        return False
