"""PostgreSQL: several processes at once, each write in a transaction of its caller's own thread.

What must not cross is locked row by row where it is written; READ COMMITTED does the rest, and work that may be
repeated is, when two writes met. Words are indexed by the database itself (migration 0001), so that rows and index
agree whoever writes.
"""

import operator
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import reduce
from pathlib import Path
from typing import Any, override

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    Text,
    cast,
    func,
    literal,
    literal_column,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from appliance.errors import MemboxError, UnavailableError
from appliance.storage.copying import copy_into
from appliance.storage.database import Database
from appliance.storage.postgres_keeping import Keeping
from appliance.storage.postgres_server import (
    CROSSED,
    READ,
    READ_ALL,
    WRITE,
    Server,
    begin,
    commit,
    state_of,
    translate,
)
from appliance.storage.postgres_vectors import NoVectors, PostgresVectors, add_pgvector
from appliance.storage.schema import box_state, memory_items
from appliance.storage.vectors import VectorIndex
from appliance.storage.writer import Admit

SCRUB_AFTER_SECONDS = 20.0  # "within a minute" (contract memory-api, Forget), many forgets share one
_ATTEMPTS = 4
_WORDS_ALONE = 32  # of a query's words that are looked for each alone, too
_IS_STALE = "search_words IS DISTINCT FROM membox_words(search_text)"
_NO_PGVECTOR = (
    "The database has no pgvector of version 0.8 or newer, so recall finds by words alone.",
    "Install it on the server, let its administrator run CREATE EXTENSION vector in this database, and start again.",
)
_words: ColumnElement[Any] = literal_column("memory_items.search_words")


class PostgresDatabase(Database):
    """A database on a server. Open it with `storage.open_postgres`, which checks and migrates it first.

    Args:
        keeps: whether this process is to keep notebook and beat when nobody else does.
    """

    backend = "postgres"
    is_shared = True

    def __init__(self, server: Server, admit: Admit = lambda: None, keeps: bool = True) -> None:
        self.server = server
        self._admit = admit
        self._engine = server.engine()
        self._at_work = threading.Condition()
        self._writing = 0
        self._is_closing = False
        self._scrub_timer: threading.Timer | None = None
        with _told():
            self._has_pgvector = self._once(add_pgvector)
        with self.read() as conn:
            is_due = conn.execute(select(box_state.c.key).where(box_state.c.key == "scrub_due")).first() is not None
        self._keeping = Keeping(server, self._engine, keeps)
        if is_due:
            self._scrub_later()

    @override
    @contextmanager
    def read(self) -> Iterator[Connection]:
        with _told(), begin(self._engine, READ) as conn:
            yield conn

    @override
    def write[T](self, work: Callable[[Connection], T], repeatable: bool = False) -> T:
        with self._counted(), _told():
            self._admit()
            for _ in range(_ATTEMPTS - 1 if repeatable else 0):
                try:
                    return self._once(work)
                except DBAPIError as fault:
                    if state_of(fault) not in CROSSED:
                        raise
            return self._once(work)

    def _once[T](self, work: Callable[[Connection], T]) -> T:
        with begin(self._engine, WRITE) as conn:
            result = work(conn)
            commit(conn)
            return result

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._at_work:
            if self._is_closing:
                raise UnavailableError("shutting_down", "The box is stopping; try again in a moment.")
            self._writing += 1
        try:
            yield
        finally:
            with self._at_work:
                self._writing -= 1
                self._at_work.notify_all()

    @override
    def require_open(self) -> None:
        self._admit()

    @override
    def term(self) -> int:
        return self._keeping.term()

    @override
    def fence(self, conn: Connection) -> None:
        self._keeping.fence(conn)

    @override
    def finish_writes(self) -> None:
        with self._at_work:
            self._at_work.wait_for(lambda: not self._writing)

    @override
    def full_text(
        self, conn: Connection, words: Sequence[str], visible: ColumnElement[bool], limit: int
    ) -> list[Row[Any]]:
        if not words:
            return []
        found = {row.id: row for row in conn.execute(_with_most(words, visible, limit))}
        # A rare word must not drown among rows that have more of the common ones.
        each = -(-limit // len(words))
        alone = [_newest_with(word, visible, each).subquery() for word in words[:_WORDS_ALONE]]
        for row in conn.execute(union_all(*(select(rows) for rows in alone))):
            found.setdefault(row.id, row)
        return list(found.values())

    @override
    def containing(
        self, conn: Connection, phrase: Sequence[str], visible: ColumnElement[bool], limit: int
    ) -> list[Row[Any]]:
        if not phrase:
            return []
        return list(conn.execute(_newest_with(" ".join(phrase), visible, limit)).all())

    @override
    def rebuild_full_text(self) -> None:
        def work(conn: Connection) -> None:
            conn.exec_driver_sql("SET LOCAL statement_timeout = 0")
            conn.exec_driver_sql(f"UPDATE memory_items SET search_text = search_text WHERE {_IS_STALE}")  # noqa: S608 - ours
            conn.exec_driver_sql("REINDEX INDEX memory_items_search_words")

        self.write(work)

    @override
    def vector_index(self, model: str, dims: int) -> VectorIndex:
        if not self._has_pgvector:
            return NoVectors()
        index = PostgresVectors(model, dims)
        self.write(lambda conn: conn.exec_driver_sql(index.index_statements).close(), repeatable=True)
        return index

    @override
    def lacks(self) -> list[tuple[str, str]]:
        return [] if self._has_pgvector else [_NO_PGVECTOR]

    @override
    def shared_time(self, conn: Connection) -> int | None:
        return int(conn.execute(text("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")).scalar_one())

    @override
    def mark_for_scrub(self, conn: Connection) -> None:
        conn.execute(insert(box_state).on_conflict_do_nothing(), {"key": "scrub_due", "value": "1"})
        self._scrub_later()

    @override
    def scrub(self) -> None:
        """Vacuum what was deleted. The server's own log and its copies age out by its own settings."""
        with self._counted(), _told(), self._engine.connect() as conn:
            conn.exec_driver_sql("VACUUM")
            conn.exec_driver_sql("DELETE FROM box_state WHERE key = 'scrub_due'")

    def _scrub_later(self) -> None:
        """Scrub by and by; what fails stays due until the next forget or start."""
        with self._at_work:
            if self._scrub_timer is None and not self._is_closing:
                self._scrub_timer = threading.Timer(SCRUB_AFTER_SECONDS, self._scrub_now)
                self._scrub_timer.daemon = True
                self._scrub_timer.start()

    def _scrub_now(self) -> None:
        self._scrub_timer = None
        with suppress(MemboxError):
            self.scrub()

    @override
    def copy_to(self, target: Path) -> None:
        with _told(), begin(self._engine, READ_ALL) as conn:
            copy_into(conn, target)

    @override
    def is_alive(self) -> bool:
        return not self._is_closing

    @override
    def size(self) -> int:
        with self.read() as conn:
            return int(conn.execute(text("SELECT pg_database_size(current_database())")).scalar_one())

    @override
    def check(self) -> list[str]:
        with self.read() as conn:
            stale = conn.execute(text(f"SELECT count(*) FROM memory_items WHERE {_IS_STALE}")).scalar_one()  # noqa: S608 - ours
        return [f"{stale} rows of the full-text index are not what their texts say"] if stale else []

    @override
    def close(self) -> None:
        with self._at_work:
            self._is_closing = True
            if self._scrub_timer is not None:
                self._scrub_timer.cancel()
            self._at_work.wait_for(lambda: not self._writing)
        self._keeping.close()
        self._engine.dispose()


def _with_most(words: Sequence[str], visible: ColumnElement[bool], limit: int) -> Select[Any]:
    """The visible items that have the most of the words, the newest of equals first."""
    any_of = func.membox_any(literal(list(words), ARRAY(Text)))
    shared = reduce(operator.add, (cast(_has(func.membox_phrase(word)), Integer) for word in words[:_WORDS_ALONE]))
    matching = select(memory_items).where(_has(any_of), visible)
    return matching.order_by(shared.desc(), memory_items.c.id.desc()).limit(limit)


def _newest_with(phrase: str, visible: ColumnElement[bool], limit: int) -> Select[Any]:
    """The newest visible items that match."""
    matching = select(memory_items).where(_has(func.membox_phrase(phrase)), visible)
    return matching.order_by(memory_items.c.id.desc()).limit(limit)


def _has(asked: ColumnElement[Any]) -> ColumnElement[bool]:
    return _words.op("@@", is_comparison=True)(asked)


@contextmanager
def _told() -> Iterator[None]:
    """The driver's faults as errors of ours."""
    try:
        yield
    except DBAPIError as fault:
        raise translate(fault) from fault
    except PoolTimeoutError as fault:
        raise UnavailableError("database_busy", "Too much is asked of the database at once; try again.") from fault
