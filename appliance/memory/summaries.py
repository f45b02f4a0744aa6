"""Summaries and what they were made of: a summary's lines are sentences of its sources, and go when the last one goes.

So what is forgotten stands in no summary either (contract memory-api, Forget).
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, exists, insert, select, update

from appliance.memory import similarity
from appliance.storage.schema import item_vectors, memory_items, summary_sources
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
        saying = [row.id for row in _rows(conn, heirs) if any(_says(row, line) for line in lines)]
        link(conn, summary_id, saying)
        sources = conn.execute(
            select(memory_items)
            .join(summary_sources, _links.source_id == _items.id)
            .where(_links.summary_id == summary_id)
        ).all()
        kept = [line for line in lines if any(_says(source, line) for source in sources)]
        if kept != lines:
            _rewrite(conn, summary, "\n".join(kept))


def _rows(conn: Connection, item_ids: Sequence[int]) -> Sequence[Row[Any]]:
    return conn.execute(select(memory_items).where(_items.id.in_(item_ids))).all() if item_ids else []


def _says(source: Row[Any], line: str) -> bool:
    return folded(line.removesuffix(CUT_OFF)) in folded(source.text)


def _rewrite(conn: Connection, summary: Row[Any], text: str) -> None:
    similarity.remove(conn, summary.tenant_id, summary.id, summary.text)
    if not text:
        conn.execute(delete(memory_items).where(_items.id == summary.id))
        return
    changed = update(memory_items).where(_items.id == summary.id)
    conn.execute(changed.values(text=text, search_text=searchable(text)))
    conn.execute(delete(item_vectors).where(item_vectors.c.item_id == summary.id))  # computed anew of what is left
    similarity.store(conn, [(summary.id, similarity.sketch(summary.tenant_id, content_words(text)))])
