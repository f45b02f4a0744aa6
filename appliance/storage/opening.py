"""Opening a database: is it sound, is it ours, is its schema one we know; migrate it when it is older."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

from appliance.errors import NotConfiguredError, StorageError, StorageFullError
from appliance.storage.database import Database
from appliance.storage.sqlite import SqliteDatabase
from appliance.storage.writer import Admit

_MIGRATIONS = Path(__file__).parent / "migrations" / "versions"
_DISK_FULL_MARK = "disk is full"


def known_versions() -> list[str]:
    """The schema versions this membox knows, oldest first; a migration's file name begins with its version."""
    return sorted(path.name.split("_", 1)[0] for path in _MIGRATIONS.glob("[0-9]*_*.py"))


def schema_version(path: Path) -> str | None:
    """The schema version of the database file; None when there is no file or it is empty.

    Raises:
        StorageError: the file is not a readable database.
        NotConfiguredError: it belongs to the existing system; `membox import brainstem` reads a copy.
    """
    if not path.exists() or path.stat().st_size == 0:
        return None
    try:
        conn = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            tables = {row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if "alembic_version" in tables:
                row = conn.execute("SELECT version_num FROM alembic_version").fetchone()
                return str(row[0]) if row else None
        finally:
            conn.close()
    except sqlite3.DatabaseError as fault:
        raise _damaged(path, str(fault)) from fault
    if tables:
        raise NotConfiguredError(
            "foreign_database",
            f"{path} is another program's database and is left alone. To take over a Brainstem store, run "
            f"`membox import brainstem {path}`; else choose another path.",
        )
    return None


def open_database(path: Path, admit: Admit = lambda: None) -> Database:
    """Open the box's database, creating or migrating it first where needed.

    `admit` raises while writes are held (`appliance.hold`); what is there can then be read, but not migrated.

    Raises:
        UnavailableError: `held`, and the database is not there or has an older schema.
        StorageError: damaged, unwritable, or written by a newer membox; nothing was changed.
        StorageFullError: no room to create or migrate it.
    """
    version, known = schema_version(path), known_versions()
    _require_known(version, str(path))
    if version is not None:
        _check_sound(path)
    if version != known[-1]:
        admit()
        migrate(path)
    return SqliteDatabase(path, admit)


def open_postgres(dsn: str, password: str = "", admit: Admit = lambda: None, keeps: bool = True) -> Database:
    """Open the database on a server, creating its tables or migrating them first where needed.

    Args:
        dsn: its address, `postgresql://USER@HOST/DATABASE`; a given `password` beats one in it.
        admit: raises while writes are held; what is older is migrated all the same.
        keeps: whether this process is to keep notebook and beat when no other does (`Database.term`).

    Raises:
        UnavailableError: the server cannot be reached.
        NotConfiguredError: it refuses the password or the user, or the database is another program's.
        StorageError: it was written by a newer membox, or cannot be migrated; nothing was changed.
    """
    from appliance.storage.postgres import PostgresDatabase
    from appliance.storage.postgres_server import Server

    server = Server(dsn, password)
    place, version = postgres_schema(dsn, password)
    _require_known(version, place)
    if version != known_versions()[-1]:  # also while writes are held: a new release has no other moment for it
        _migrate("-", place, json.dumps({"dsn": dsn, "password": password}))
    return PostgresDatabase(server, admit, keeps)


def postgres_schema(dsn: str, password: str = "") -> tuple[str, str | None]:
    """A database on a server in words for people, and its schema version; None when nothing is in it.

    Raises as `open_postgres` does.
    """
    from appliance.storage.postgres_server import Server

    server = Server(dsn, password)
    with server.connect() as conn:
        found = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()").fetchall()
        tables = {row[0] for row in found}
        if {"alembic_version", "box_state"} <= tables:
            row = conn.execute("SELECT version_num FROM alembic_version").fetchone()
            return server.place, str(row[0]) if row else None
    if tables:
        raise NotConfiguredError(
            "foreign_database",
            f"The database {server.place} holds another program's tables and is left alone: name an empty one in "
            "store.postgres_dsn. To take over a Brainstem store, see `membox import brainstem --help`.",
        )
    return server.place, None


def _require_known(version: str | None, place: str) -> None:
    known = known_versions()
    if version is not None and version not in known:
        raise StorageError(
            "database_newer",
            f"{place} was written by a newer membox (schema {version}; this one knows up to {known[-1]}). Install that "
            "membox, or restore a mirror made before the upgrade with `membox backup restore`.",
        )


def migrate(path: Path) -> None:
    """Bring the database file at `path` to the newest schema, in a child process: Alembic is large and used once."""
    _make_private(path)
    _migrate(str(path), str(path))


def _migrate(target: str, place: str, said: str = "") -> None:
    """Migrate in a child process; `said` comes to it where nobody else can read it."""
    result = subprocess.run(
        [sys.executable, "-m", "appliance.storage.migrations", target],
        input=said,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode == 0:
        return
    fault = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
    if _DISK_FULL_MARK in fault:
        raise StorageFullError(
            "disk_full", f"The disk is full; {place} was not changed. Free some space and try again."
        )
    raise StorageError("migration_failed", f"{place} could not be brought to this membox's schema ({fault}).")


def _make_private(path: Path) -> None:
    """Create the file for its owner alone, also where its directory is open to others; its log takes after it."""
    try:
        path.touch(mode=0o600)
    except OSError as fault:
        raise StorageError("unwritable", f"{path} cannot be written ({fault.strerror}); name another home.") from fault


def _check_sound(path: Path) -> None:
    try:
        conn = sqlite3.connect(path)
        try:
            fault = conn.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            conn.close()
    except sqlite3.DatabaseError as error:
        fault = str(error)
    if fault != "ok":
        raise _damaged(path, fault)


def _damaged(path: Path, fault: str) -> StorageError:
    return StorageError(
        "database_damaged",
        f"{path} is damaged ({fault}). It was left as it is: bring back a good copy with `membox backup restore "
        "MIRROR --replace`.",
    )
