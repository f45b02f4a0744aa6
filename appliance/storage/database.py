"""The store as everything above sees it: read a snapshot, write in one transaction, search words.

Two dialects implement this class; SQLite is in `sqlite.py`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row

from appliance.storage.vectors import VectorIndex

UNREACHABLE = "database_unreachable"


class Database(ABC):
    """A store of one box. Thread safe; its threads start when it is opened, never at import.

    `is_shared`: other processes, also on other machines, may write to it at the same time. One of them then keeps the
    notebook and the beat, for a term at a time.
    """

    backend: str
    is_shared = False

    @abstractmethod
    def read(self) -> AbstractContextManager[Connection]:
        """A connection that sees one consistent snapshot and cannot write."""

    @abstractmethod
    def write[T](self, work: Callable[[Connection], T], repeatable: bool = False) -> T:
        """Run `work` in a transaction and return its result once it is durable on disk.

        Several callers may share a commit; each has its own savepoint, so what `work` raises undoes only its own
        changes and is raised here. `work` must be short and must not call `read` or `write`. When it is `repeatable`
        it may be called again, its first changes undone, which is cheaper while nothing fails.

        Raises:
            StorageFullError: the disk is full; nothing was written.
            StorageError: the file is damaged or cannot be written.
            UnavailableError: the store is closing, `held`, or its server cannot be reached; after a lost connection
                nobody knows whether it was stored.
        """

    @abstractmethod
    def require_open(self) -> None:
        """Raise UnavailableError `held` while writes are held (`appliance.hold`)."""

    def term(self) -> int:
        """The term in which this process keeps notebook and beat; always 0 where the home's lease decides that alone.

        Raises:
            UnavailableError: `kept_elsewhere`, the sentence says by whom.
        """
        return 0

    def fence(self, conn: Connection) -> None:  # noqa: ARG002 - only a server has something to look at
        """Raise as `term` does, in this transaction, when another process has begun a term of its own."""
        self.term()

    @abstractmethod
    def finish_writes(self) -> None:
        """Wait until every write asked for so far is durable or refused; also while writes are held."""

    @abstractmethod
    def full_text(
        self, conn: Connection, words: Sequence[str], visible: ColumnElement[bool], limit: int
    ) -> list[Row[Any]]:
        """Candidates for any of `words` (see `appliance.text`): the `limit` rows of `memory_items` that have most of
        them, then, until there are about twice as many, the newest that have each single one.

        `visible` is part of the query: rows the caller may not see neither crowd out those it may nor change which of
        those are found. Each row has all columns of `memory_items`.
        """

    def shared_time(self, conn: Connection) -> int | None:  # noqa: ARG002 - only a server has one
        """Now in epoch milliseconds by the clock of the server that several machines share; None where there is none.

        What machines agree on among themselves, such as when a lease ends, is told by it: their own clocks differ.
        """
        return None

    @abstractmethod
    def containing(
        self, conn: Connection, phrase: Sequence[str], visible: ColumnElement[bool], limit: int
    ) -> list[Row[Any]]:
        """The newest `limit` visible rows of `memory_items` that have the words of `phrase` one after the other."""

    @abstractmethod
    def rebuild_full_text(self) -> None:
        """Make the index of words anew from the items. Slow on a large store; writes wait until it is done."""

    @abstractmethod
    def vector_index(self, model: str, dims: int) -> VectorIndex:
        """The vectors that the embedding model `model` makes, of `dims` numbers each; keep it, and use it for all."""

    @abstractmethod
    def mark_for_scrub(self, conn: Connection) -> None:
        """Remember, in this transaction, that something was forgotten: its words must leave the files."""

    @abstractmethod
    def scrub(self) -> None:
        """Rewrite the full-text index without deleted words and empty the write-ahead log, now."""

    @abstractmethod
    def copy_to(self, target: Path) -> None:
        """Write a consistent copy of the database to the new file `target`, while writes go on."""

    @abstractmethod
    def is_alive(self) -> bool:
        """Whether writes are being served."""

    @abstractmethod
    def size(self) -> int:
        """Bytes the store takes on disk."""

    @abstractmethod
    def check(self) -> list[str]:
        """Every fault a full integrity check finds; empty when the store is sound. Slow on a large store."""

    def lacks(self) -> list[tuple[str, str]]:
        """What this store could do and cannot, and the remedy: a sentence each."""
        return []

    @abstractmethod
    def close(self) -> None:
        """Finish what was accepted, then release the files."""
