"""Where recall's candidates come from. Full text is one source; each further one (vectors) is a class beside it.

A source finds rows the caller may see; how well they answer, of whichever source, is for `rank`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, override

from sqlalchemy import ColumnElement, Connection, Row, or_, select

from appliance.memory.timing import Window, windows
from appliance.storage import Database
from appliance.storage.schema import memory_items
from appliance.text import content_words


@dataclass(frozen=True)
class Query:
    """A tenant's question, taken apart once: its text, its distinct meaningful words, the times it names.

    `only_time` when it asks for nothing but what was at these times.
    """

    tenant_id: str
    text: str
    words: Sequence[str]
    windows: Sequence[Window] = ()
    only_time: bool = False

    @classmethod
    def of(cls, tenant_id: str, text: str, now: int, zone: tzinfo = UTC) -> "Query":
        """Take a question apart that is asked at `now` (epoch ms); the days it names are days of `zone`."""
        named, only_time = windows(text, now, zone)
        return cls(tenant_id, text, content_words(text), named, only_time)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Rows that may answer, each once; the cosines to the question that are known, by row id.

    `floor` is the cosine from which a row may answer without any of the question's words.
    """

    rows: Sequence[Row[Any]]
    cosines: Mapping[int, float] = field(default_factory=dict)
    floor: float = 1.0


class CandidateSource(ABC):
    """Finds rows of `memory_items` that may answer a query."""

    floor: float | None = None  # see `Candidates`; a source that knows no cosines has none

    @abstractmethod
    def find(self, conn: Connection, query: Query, visible: ColumnElement[bool], limit: int) -> list[Row[Any]]:
        """About `limit` visible rows with all item columns."""

    def cosines(
        self,
        conn: Connection,  # noqa: ARG002 - for those that know some
        query: Query,  # noqa: ARG002
        item_ids: Sequence[int],  # noqa: ARG002
    ) -> dict[int, float]:
        """The cosine to the question of each of these items (row ids) for which it is known."""
        return {}


class FullText(CandidateSource):
    """Rows that share stemmed words with the query; `rank` orders them by BM25."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @override
    def find(self, conn: Connection, query: Query, visible: ColumnElement[bool], limit: int) -> list[Row[Any]]:
        rows = self._database.full_text(conn, query.words, visible, limit)
        if query.windows:  # what was said then must not drown in what was said since
            then = _within(query.windows, memory_items.c.occurred_at + 0)  # by its words, not by the index of times
            rows += self._database.full_text(conn, query.words, visible & then, limit)
        return rows


class Then(CandidateSource):
    """What happened at the times that a question names, when it asks for nothing else: the weightiest, then newest."""

    @override
    def find(self, conn: Connection, query: Query, visible: ColumnElement[bool], limit: int) -> list[Row[Any]]:
        if not query.only_time:
            return []
        weightiest = (memory_items.c.salience.desc(), memory_items.c.occurred_at.desc(), memory_items.c.id)
        then = _within(query.windows, memory_items.c.occurred_at)
        return list(conn.execute(select(memory_items).where(visible, then).order_by(*weightiest).limit(limit)).all())


def _within(named: Sequence[Window], moment: ColumnElement[int]) -> ColumnElement[bool]:
    return or_(*(moment.between(each.first, each.last) for each in named))


def candidates(
    conn: Connection, sources: Sequence[CandidateSource], query: Query, visible: ColumnElement[bool], limit: int
) -> Candidates:
    """What all sources find, each row once; nothing for a question without a word."""
    if not query.words:
        return Candidates([])
    rows = {row.id: row for source in sources for row in source.find(conn, query, visible, limit)}
    cosines: dict[int, float] = {}
    for source in sources:
        cosines |= source.cosines(conn, query, list(rows))
    floors = [source.floor for source in sources if source.floor is not None]
    return Candidates(list(rows.values()), cosines, min(floors, default=1.0))
