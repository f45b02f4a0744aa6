"""SQLite: write-ahead log, full durability, FTS5 kept in step by triggers, at most three readers."""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast, override

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    Row,
    create_engine,
    event,
    insert,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool, StaticPool

from appliance.errors import MemboxError, StorageError, StorageFullError, UnavailableError
from appliance.storage.copies import unsound
from appliance.storage.database import Database
from appliance.storage.schema import box_state
from appliance.storage.sqlite_vectors import SqliteVectors
from appliance.storage.sqlite_words import with_phrase, with_words
from appliance.storage.vectors import VectorIndex
from appliance.storage.writer import Admit, Writer

READERS = 3
SCRUB_AFTER_SECONDS = 20.0  # "within a minute" (contract memory-api, Forget), many forgets share one
_SCRUB_AGAIN_SECONDS = 1.0
_WAL_LIMIT_BYTES = 16 * 1024 * 1024

_log = logging.getLogger(__name__)


class SqliteDatabase(Database):
    """A box's database file. Open it with `storage.open_database`, which checks and migrates it first."""

    backend = "sqlite"

    def __init__(self, path: Path, admit: Admit = lambda: None) -> None:
        self.path = path
        self._admit = admit
        self._scrub_timer: threading.Timer | None = None
        self._readers = _engine(path, ("query_only = ON", "wal_autocheckpoint = 0"), QueuePool)
        self._writing = _engine(path, ("secure_delete = ON", f"journal_size_limit = {_WAL_LIMIT_BYTES}"), StaticPool)
        event.listen(self._writing, "begin", _begin_immediate)
        self._writer = Writer(self._writing, translate, admit)
        with self.read() as conn:
            if conn.execute(select(box_state.c.key).where(box_state.c.key == "scrub_due")).first():
                self._scrub_in(SCRUB_AFTER_SECONDS)

    @override
    @contextmanager
    def read(self) -> Iterator[Connection]:
        try:
            with self._readers.connect() as conn:
                yield conn
        except DBAPIError as fault:
            raise translate(fault) from fault

    @override
    def write[T](self, work: Callable[[Connection], T], repeatable: bool = False) -> T:
        return self._writer.submit(work, repeatable=repeatable)

    @override
    def require_open(self) -> None:
        self._admit()

    @override
    def finish_writes(self) -> None:
        self._writer.submit(lambda _conn: None, outside=True)

    @override
    def full_text(
        self, conn: Connection, words: Sequence[str], visible: ColumnElement[bool], limit: int
    ) -> list[Row[Any]]:
        return with_words(conn, words, visible, limit) if words else []

    @override
    def containing(
        self, conn: Connection, phrase: Sequence[str], visible: ColumnElement[bool], limit: int
    ) -> list[Row[Any]]:
        return with_phrase(conn, phrase, visible, limit) if phrase else []

    @override
    def rebuild_full_text(self) -> None:
        self.write(lambda conn: _run(conn, "INSERT INTO memory_fts(memory_fts) VALUES ('rebuild')"))

    @override
    def vector_index(self, model: str, dims: int) -> VectorIndex:
        return SqliteVectors(model, dims)

    @override
    def mark_for_scrub(self, conn: Connection) -> None:
        conn.execute(insert(box_state).prefix_with("OR IGNORE"), {"key": "scrub_due", "value": "1"})
        if self._scrub_timer is None:
            self._scrub_in(SCRUB_AFTER_SECONDS)

    @override
    def scrub(self) -> None:
        self._writer.submit(self._scrub, outside=True)

    @override
    def copy_to(self, target: Path) -> None:
        source = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)
        copy = sqlite3.connect(target)
        try:
            source.backup(copy)  # in one step: a consistent snapshot, writers are not held up
            copy.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.Error as fault:
            raise translate(fault) from fault
        finally:
            copy.close()
            source.close()

    @override
    def is_alive(self) -> bool:
        return self._writer.is_alive()

    @override
    def size(self) -> int:
        return sum(
            part.stat().st_size for part in (self.path, self.path.with_name(self.path.name + "-wal")) if part.exists()
        )

    @override
    def check(self) -> list[str]:
        return check_file(self.path)

    @override
    def close(self) -> None:
        self._readers.dispose()
        self._writer.close()
        self._scrub_in(None)
        self._writing.dispose()

    def _scrub_in(self, seconds: float | None) -> None:
        """Scrub so much later, and at no other time; None: there is nothing to scrub."""
        if self._scrub_timer is not None:
            self._scrub_timer.cancel()
        self._scrub_timer = None if seconds is None else threading.Timer(seconds, self._scrub_now)
        if self._scrub_timer is not None:
            self._scrub_timer.daemon = True
            self._scrub_timer.start()

    def _scrub_now(self) -> None:
        try:
            self.scrub()
        except UnavailableError:  # closing: it stays due
            pass
        except MemboxError as fault:
            _log.warning("a scrub failed, and is tried again: %s", fault.sentence)

    def _scrub(self, conn: Connection) -> None:
        self._scrub_in(_SCRUB_AGAIN_SECONDS)  # unless all of it succeeds
        with conn.begin():
            conn.execute(text("INSERT INTO memory_fts(memory_fts) VALUES ('optimize')"))
        if _truncate_log(conn):
            with conn.begin():
                conn.execute(box_state.delete().where(box_state.c.key == "scrub_due"))
            self._scrub_in(None)


def check_file(path: Path) -> list[str]:
    """Every fault of the database file at `path`: pages, foreign keys, and the full-text index against its rows."""
    try:
        conn = sqlite3.connect(path)
    except sqlite3.Error as fault:
        return [str(fault)]
    try:
        faults = unsound(conn)
        conn.execute("INSERT INTO memory_fts(memory_fts, rank) VALUES ('integrity-check', 1)")
        conn.rollback()
    except sqlite3.Error as fault:
        return [str(fault)]
    finally:
        conn.close()
    return faults


def _engine(path: Path, pragmas: Sequence[str], pool: type[QueuePool] | type[StaticPool]) -> Engine:
    sizes: dict[str, Any] = {"pool_size": READERS, "max_overflow": 0} if pool is QueuePool else {}
    url = URL.create("sqlite", database=str(path))
    connecting = {"check_same_thread": False, "timeout": 10}
    # What is stored is nobody's to read in a log: no error shows a statement's values.
    engine = create_engine(url, poolclass=pool, connect_args=connecting, hide_parameters=True, **sizes)

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # transactions are begun by SQLAlchemy's events, never by the driver
        for pragma in ("synchronous = FULL", "foreign_keys = ON", "cache_size = -2000", "mmap_size = 0", *pragmas):
            connection.execute(f"PRAGMA {pragma}")

    if pool is QueuePool:

        @event.listens_for(engine, "begin")
        def begin(conn: Connection) -> None:
            _run(conn, "BEGIN")

    return engine


def _begin_immediate(conn: Connection) -> None:
    _run(conn, "BEGIN IMMEDIATE")


def _run(conn: Connection, statement: str) -> None:
    """Run a bare statement on the driver: what SQLAlchemy does around it takes five times as long."""
    raw = cast(sqlite3.Connection, conn.connection.driver_connection)
    try:
        raw.execute(statement)
    except sqlite3.Error as fault:
        raise DBAPIError.instance(statement, None, fault, sqlite3.Error, dialect=conn.dialect) from fault


def _truncate_log(conn: Connection) -> bool:
    """Empty the write-ahead log; False when a reader was in the way or the disk refused."""
    raw = cast(sqlite3.Connection, conn.connection.driver_connection)
    try:
        busy: int = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.Error as fault:
        _log.warning("the write-ahead log could not be emptied (%s); it is tried again", fault)
        return False
    return busy == 0


def translate(fault: DBAPIError | sqlite3.Error) -> MemboxError:
    """A fault of the driver as an error of ours."""
    origin = fault.orig if isinstance(fault, DBAPIError) else fault
    code = getattr(origin, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StorageFullError("disk_full", "The disk is full; nothing was stored. Free some space and try again.")
    return StorageError(
        "storage_failed",
        f"The database could not be used ({origin}). Run `membox doctor`; a mirror brings it back with "
        "`membox backup restore`.",
    )
