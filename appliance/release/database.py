"""The database's part in a switch of releases. All of it runs as the home's owner, in the new release.

Beside the database DB lie, only meanwhile: ``DB.next``, the migrated copy; ``DB.previous``, the database of before.
The room of storage, which is slow to import, is asked for only where a schema counts: the rest is a few renames, each
a process of its own while writes are held.
"""

import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from appliance import hold
from appliance.durable import sync
from appliance.errors import StorageError, StorageFullError, UnavailableError
from appliance.lease import COMMAND, Lease

_SPARE_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a switch means for the database: its schema (None: there is none yet), the new one, its size in bytes."""

    schema: str | None
    newest: str
    bytes: int

    @property
    def must_migrate(self) -> bool:
        """Whether the new release cannot use it as it is."""
        return self.schema != self.newest


def outlook(database: Path) -> Outlook:
    """Look at the database before anything is done to it.

    Raises:
        StorageError: it has a schema that this release does not know.
        StorageFullError: there is no room for a copy.
    """
    from appliance.storage.opening import known_versions, schema_version

    schema, known = schema_version(database), known_versions()
    if schema is not None and schema not in known:
        raise StorageError(
            "database_newer",
            f"The database has the schema {schema}, and this release knows only up to {known[-1]}; take a newer one.",
        )
    size = sum(part.stat().st_size for part in _files(database)[:2] if part.exists())
    found = Outlook(schema, known[-1], size)
    # The copy, and once more as much for its write-ahead log.
    needed, free = 2 * size + _SPARE_BYTES, shutil.disk_usage(database.parent).free
    if found.must_migrate and free < needed:
        raise StorageFullError(
            "disk_full",
            f"The disk of {database} has {free / 1e6:.0f} MB free, and a copy of the database needs "
            f"{needed / 1e6:.0f} MB; free some space and try again.",
        )
    return found


def prepare(database: Path) -> None:
    """Make ``DB.next``: a copy of the database as it is now, in this release's schema, checked and on the disk.

    Raises:
        StorageError, StorageFullError: it cannot be copied or migrated, or does not hold together afterwards.
    """
    from appliance.storage.opening import migrate
    from appliance.storage.sqlite import check_file

    following = _next(database)
    _discard(following)
    if database.exists():
        _copy(database, following)
    migrate(following)
    if faults := check_file(following):
        raise StorageError("migration_failed", f"The migrated copy of the database is not sound ({faults[0]}).")
    _fold(following)
    sync(following)
    sync(following.parent)


def swap(home: Path, database: Path, until: float) -> None:
    """Put ``DB.next``, where there is one, into the place of the database, which is kept as ``DB.previous``.

    `until` tells the hold under which the copy was made.

    Raises:
        UnavailableError: the home is in use, or writes were let in since.
    """
    with Lease.acquire(home, COMMAND):
        held = hold.written(home)
        if held is None or held.until != until:
            raise UnavailableError("hold_ended", "It took so long that the box had to take writes again.")
        following, previous = _next(database), _previous(database)
        if not following.exists():
            return
        if database.exists():
            _fold(database)
            previous.unlink(missing_ok=True)
            previous.hardlink_to(database)
            sync(database.parent)
        following.replace(database)
        sync(database.parent)


def go_back(home: Path, database: Path, was_made: bool) -> bool:
    """Bring back the database of before, if it was swapped; `was_made` when there had been none.

    False, and nothing is done, when the new one has been written to: then it is the one that must stay.

    Raises:
        UnavailableError: the home is in use.
    """
    with Lease.acquire(home, COMMAND):
        previous = _previous(database)
        kept = previous.exists() and not (database.exists() and previous.samefile(database))
        made = was_made and database.exists()
        if (kept or made) and hold.written(home) is None:
            return False
        if kept or made:
            for part in _files(database)[1:]:  # the log of the new one must never meet the old one
                part.unlink(missing_ok=True)
            sync(database.parent)
        if kept:
            previous.replace(database)
        elif made:
            database.unlink()
        _discard(_next(database))
        _discard(previous)
        sync(database.parent)
        return True


def tidy(database: Path) -> None:
    """Remove what a finished switch needs no more."""
    _discard(_next(database))
    _discard(_previous(database))
    sync(database.parent)


def _next(database: Path) -> Path:
    return database.with_name(f"{database.name}.next")


def _previous(database: Path) -> Path:
    return database.with_name(f"{database.name}.previous")


def _files(database: Path) -> list[Path]:
    return [database.with_name(database.name + end) for end in ("", "-wal", "-shm")]


def _discard(database: Path) -> None:
    for part in _files(database):
        part.unlink(missing_ok=True)


def _copy(database: Path, target: Path) -> None:
    target.touch(mode=0o600)
    source, copy = _opened(database), _opened(target)
    try:
        source.backup(copy)  # in one step: one moment of the database
    except sqlite3.Error as fault:
        if getattr(fault, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
            raise StorageFullError("disk_full", "The disk is full; free some space and try again.") from fault
        raise StorageError("storage_failed", f"The database could not be copied ({fault}).") from fault
    finally:
        copy.close()
        source.close()


def _fold(database: Path) -> None:
    """Bring all of a database, that nobody has open, into its one file."""
    conn = _opened(database)
    try:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as fault:
        raise StorageError("storage_failed", f"The database could not be closed ({fault}).") from fault
    finally:
        conn.close()
    log = _files(database)[1]
    if log.exists() and log.stat().st_size:
        raise StorageError("storage_failed", f"Something else has {database} open; end it and try again.")
    sync(database)


def _opened(path: Path) -> sqlite3.Connection:
    conn = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=10)
    conn.execute("PRAGMA synchronous = FULL")
    return conn
