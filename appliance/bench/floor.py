"""The floor: what the same rows cost in bare SQLite, with the same durability and every index that membox keeps.

The schema comes from membox's own migration, the rows are those the box has just stored. Nothing is prepared, checked
or asked inside the timed part: only SQLite works there.
"""

import os
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from appliance.durable import sync
from appliance.storage.opening import migrate

type Values = tuple[object, ...]


@dataclass(frozen=True)
class Rows:
    """Rows of some tables, to be stored in one transaction; `replace` overwrites what has the same key."""

    insert: dict[str, list[Values]] = field(default_factory=dict)
    replace: dict[str, list[Values]] = field(default_factory=dict)


class Floor:
    """A bare database with the box's schema. Every method returns the seconds that SQLite (and the disk) took."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True)
        migrate(path)
        self._conn = sqlite3.connect(path, isolation_level=None)
        self._conn.execute("PRAGMA journal_mode = WAL")
        self._conn.execute("PRAGMA synchronous = FULL")
        self._directory = path.parent

    def store(self, rows: Rows) -> float:
        """One durable transaction with `rows`."""
        statements = [(_statement("INSERT", table, of), of) for table, of in rows.insert.items() if of]
        statements += [(_statement("REPLACE", table, of), of) for table, of in rows.replace.items() if of]
        return _timed(lambda: self._transaction(statements))

    def store_with_file(self, rows: Rows, path: str, body: bytes) -> float:
        """The same with one durable file beside it: temporary, fsync, rename, fsync of the directory."""
        target = self._directory / "files" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return self.store(rows) + _timed(lambda: _write_durably(target, body))

    def find(self, words: Sequence[str], count: int) -> float:
        """The `count` items that best match any of `words`, and all their columns."""
        expression = " OR ".join(f'"{word}"' for word in words)
        return _timed(lambda: self._find(expression, count))

    def close(self) -> None:
        """Release the file."""
        self._conn.close()

    def _transaction(self, statements: list[tuple[str, list[Values]]]) -> None:
        self._conn.execute("BEGIN IMMEDIATE")
        for statement, rows in statements:
            self._conn.executemany(statement, rows)
        self._conn.execute("COMMIT")

    def _find(self, expression: str, count: int) -> None:
        best = "SELECT rowid FROM memory_fts WHERE memory_fts MATCH ? ORDER BY bm25(memory_fts) LIMIT ?"
        ids = [row[0] for row in self._conn.execute(best, (expression, count))]
        marks = ",".join("?" * len(ids))
        # Only question marks are put into the statement.
        self._conn.execute(f"SELECT * FROM memory_items WHERE id IN ({marks})", ids).fetchall()  # noqa: S608


class Stored:
    """What the box has stored, read from its database file beside the running daemon."""

    def __init__(self, path: Path) -> None:
        self._conn = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
        self._last_item = self._last("memory_items", "id")

    def new_items(self) -> list[Rows]:
        """The items stored since the last look, oldest first, each with its bands."""
        items = self._conn.execute("SELECT * FROM memory_items WHERE id > ? ORDER BY id", (self._last_item,)).fetchall()
        bands: dict[int, list[Values]] = {item[0]: [] for item in items}
        for band, item_id in self._conn.execute(
            "SELECT band, item_id FROM similarity_bands WHERE item_id > ?", (self._last_item,)
        ):
            bands[item_id].append((band, item_id))
        if items:
            self._last_item = items[-1][0]
        return [Rows({"memory_items": [item], "similarity_bands": bands[item[0]]}) for item in items]

    def new_note(self, key: str) -> tuple[Rows, str]:
        """All that one captured note with the idempotency key `key` has written, and the path of its file."""
        since = self._last_item
        (items,) = self.new_items()
        document_id, path = self._conn.execute(
            "SELECT documents.id, documents.path FROM documents JOIN notebook_sections USING (path) WHERE item_id > ?",
            (since,),
        ).fetchone()
        newest = "SELECT * FROM document_versions WHERE document_id = ? ORDER BY number DESC LIMIT 1"
        insert = items.insert | {
            "notebook_sections": self._all("SELECT * FROM notebook_sections WHERE item_id > ?", since),
            "document_versions": self._all(newest, document_id),
            "idempotency": self._all("SELECT * FROM idempotency WHERE key = ?", key),
        }
        document = self._all("SELECT * FROM documents WHERE id = ?", document_id)
        mark: list[Values] = [(path, document[0][3], document[0][3])]
        return Rows(insert, {"documents": document, "pending_files": mark}), path

    def without_vector(self) -> int:
        """How many items have no vector yet."""
        missing = "SELECT (SELECT count(*) FROM memory_items) - (SELECT count(*) FROM item_vectors)"
        return int(self._conn.execute(missing).fetchone()[0])

    def everything(self, table: str) -> Rows:
        """All rows of one table."""
        return Rows(replace={table: self._all(f"SELECT * FROM {table}")})  # noqa: S608 - a name of ours

    def close(self) -> None:
        """Release the file."""
        self._conn.close()

    def _all(self, query: str, *values: object) -> list[Values]:
        return self._conn.execute(query, values).fetchall()

    def _last(self, table: str, column: str) -> int:
        return int(self._conn.execute(f"SELECT coalesce(max({column}), 0) FROM {table}").fetchone()[0])  # noqa: S608 - names of ours


def together(several: Sequence[Rows]) -> Rows:
    """The rows of several, as one batch."""
    tables: dict[str, list[Values]] = {}
    for rows in several:
        for table, values in rows.insert.items():
            tables.setdefault(table, []).extend(values)
    return Rows(tables)


def _statement(verb: str, table: str, rows: list[Values]) -> str:
    return f"{verb} INTO {table} VALUES ({','.join('?' * len(rows[0]))})"


def _timed(work: Callable[[], None]) -> float:
    begin = perf_counter()
    work()
    return perf_counter() - begin


def _write_durably(target: Path, body: bytes) -> None:
    temporary = target.with_name(target.name + ".new")
    with temporary.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(target)
    sync(target.parent)
