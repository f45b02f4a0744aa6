"""Deleting items with everything that hangs on them: index rows, bands, vectors, traces, and their words in summaries.

Everything that deletes items goes through here: forgetting, a notebook file that changed, and cleanup.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, insert

from appliance.memory import similarity, summaries
from appliance.storage.schema import memory_items, tombstones


def delete_items(conn: Connection, rows: Sequence[Row[Any]]) -> None:
    """Delete items: rows with `id`, `tenant_id` and `text`. Summaries lose what now no source of theirs says."""
    summaries.settle(conn, take_out(conn, rows))


def take_out(conn: Connection, rows: Sequence[Row[Any]]) -> list[int]:
    """The same without looking at the summaries they stand in: these ids, for `summaries.settle`."""
    ids = [row.id for row in rows]
    bereft = summaries.made_of(conn, ids)
    similarity.remove(conn, rows)
    conn.execute(delete(memory_items).where(memory_items.c.id.in_(ids)))  # what refers to them goes with them
    return [summary_id for summary_id in bereft if summary_id not in ids]


def leave_tombstone(conn: Connection, tenant_id: str, memory_id: str, now: int) -> None:
    """Keep what stays of a forgotten item: its id, and when."""
    conn.execute(insert(tombstones), {"memory_id": memory_id, "tenant_id": tenant_id, "deleted_at": now})
