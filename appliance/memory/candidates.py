"""Where recall's candidates come from. Full text is one source; each further one (vectors) is a class beside it.

A source finds rows the caller may see; how well they answer, of whichever source, is for `rank`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, Row

from appliance.storage import Database


@dataclass(frozen=True)
class Query:
    """A recall's question, taken apart once: its text and its distinct meaningful words."""

    text: str
    words: Sequence[str]


class CandidateSource(Protocol):
    """Finds rows of `memory_items` that may answer a query."""

    def find(self, conn: Connection, query: Query, visible: ColumnElement[bool], limit: int) -> list[Row[Any]]:
        """About `limit` visible rows with all item columns."""


class FullText:
    """Rows that share stemmed words with the query; `rank` orders them by BM25."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, conn: Connection, query: Query, visible: ColumnElement[bool], limit: int) -> list[Row[Any]]:
        """See `CandidateSource`."""
        return self._database.full_text(conn, query.words, visible, limit)
