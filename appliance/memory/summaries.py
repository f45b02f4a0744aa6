"""Summaries and what they were made of: a summary's lines are sentences of its sources, and go when the last one goes.

So what is forgotten stands in no summary either (contract memory-api, Forget).
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, exists, insert, select

from appliance.memory import similarity
from appliance.memory.remember import insert_items
from appliance.storage.schema import memory_items, summary_sources
from appliance.text import content_words, folded, searchable

CUT_OFF = " …"  # ends a sentence that was too long for its summary
_items, _links = memory_items.c, summary_sources.c


def is_summary() -> ColumnElement[bool]:
    """Whether an item is a summary; its sources, which are there, say the same and more."""
    return exists().where(_links.summary_id == _items.id)


def link(conn: Connection, summary_id: int, source_ids: Iterable[int]) -> None:
    """Keep which items a summary was made of."""
    rows = [{"summary_id": summary_id, "source_id": source_id} for source_id in source_ids]
    if rows:
        conn.execute(insert(summary_sources), rows)


def made_of(conn: Connection, item_ids: Sequence[int]) -> list[int]:
    """The summaries made of any of these items."""
    if not item_ids:
        return []
    return list(conn.execute(select(_links.summary_id).distinct().where(_links.source_id.in_(item_ids))).scalars())


def settle(conn: Connection, summary_ids: Sequence[int], heirs: Sequence[int] = ()) -> None:
    """Bring summaries that lost sources in step with those that are left; one that says nothing any more is deleted.

    `heirs` are items that came in the place of the lost ones, as when a file was edited: what they still say stays.
    """
    for summary_id in summary_ids:
        summary = conn.execute(select(memory_items).where(_items.id == summary_id)).one()
        lines = summary.text.split("\n")
        sources = {row.id: row for row in [*_sources_of(conn, summary_id), *_rows(conn, heirs)]}
        said = {row_id: {line for line in lines if _says(row, line)} for row_id, row in sources.items()}
        kept = [line for line in lines if any(line in theirs for theirs in said.values())]
        if kept == lines:
            link(conn, summary_id, [row_id for row_id in heirs if said[row_id]])
        else:
            _replace(conn, summary, kept, [row_id for row_id, theirs in said.items() if theirs])


def _sources_of(conn: Connection, summary_id: int) -> Sequence[Row[Any]]:
    joined = select(memory_items).join(summary_sources, _links.source_id == _items.id)
    return conn.execute(joined.where(_links.summary_id == summary_id)).all()


def _rows(conn: Connection, item_ids: Sequence[int]) -> Sequence[Row[Any]]:
    return conn.execute(select(memory_items).where(_items.id.in_(item_ids))).all() if item_ids else []


def _says(source: Row[Any], line: str) -> bool:
    return folded(line.removesuffix(CUT_OFF)) in folded(source.text)


def _replace(conn: Connection, summary: Row[Any], lines: Sequence[str], source_ids: Sequence[int]) -> None:
    """Keep `lines` of a summary, under its id, in a row of its own: what was made of the old text goes with the old."""
    similarity.remove(conn, [summary])
    conn.execute(delete(memory_items).where(_items.id == summary.id))
    if not lines:
        return
    text = "\n".join(lines)
    row = {name: value for name, value in summary._mapping.items() if name != "id"}
    row |= {"text": text, "search_text": searchable(text)}
    bands = similarity.sketch(summary.tenant_id, content_words(text))
    (row_id,) = insert_items(conn, [row], [bands])
    link(conn, row_id, source_ids)
