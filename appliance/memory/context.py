"""What stands beside the items that were found: the messages before and after one, the sections around another.

It is ours, and only for a caller who asks for it. What counts as beside, `neighbours` says.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from appliance.memory.models import NOTEBOOK_REF, Context, Neighbour
from appliance.memory.neighbours import place
from appliance.memory.rank import Ranked
from appliance.storage.schema import memory_items, notebook_sections
from appliance.text import estimate_tokens

_NEAR = 200  # ids: what belongs together was mostly remembered together
_items = memory_items.c
_places: Select[Any] = select(_items.id, _items.agent_id, _items.source_ref, _items.occurred_at)


def beside(
    conn: Connection, found: Sequence[Ranked], visible: ColumnElement[bool], asked: Context
) -> tuple[list[Neighbour], int]:
    """The neighbours of the items found, in their order, each once, and about how many tokens they take together.

    Args:
        conn: the snapshot in which the items were found.
        found: best first; none of these is its own or another's neighbour.
        visible: what the caller may see and asked for; nothing else is found or counted.
        asked: how many on each side; the budget of tokens, of which the best item's nearest get theirs first.
    """
    known = {item.row.id for item in found}
    wanted: list[tuple[int, int, str]] = []  # id, offset, beside which item
    for item in found:
        near = [each for each in _near(conn, item.row, visible, asked.neighbours) if each[0] not in known]
        known.update(row_id for row_id, _ in near)
        wanted += [(row_id, offset, item.row.memory_id) for row_id, offset in near]
    rows = {
        row.id: row for row in conn.execute(select(memory_items).where(_items.id.in_([each[0] for each in wanted])))
    }
    fitting: dict[str, list[Neighbour]] = {}
    tokens = 0
    for row_id, offset, memory_id in wanted:
        if tokens + (cost := estimate_tokens(rows[row_id].text)) <= asked.max_tokens:
            tokens += cost
            fitting.setdefault(memory_id, []).append(_neighbour(rows[row_id], offset, memory_id))
    return [each for near in fitting.values() for each in sorted(near, key=lambda each: each.offset)], tokens


def _near(conn: Connection, row: Row[Any], visible: ColumnElement[bool], reach: int) -> Iterator[tuple[int, int]]:
    """Ids and offsets of up to `reach` items on each side of one, the nearest first."""
    mine, *_ = place(row)
    there = [each for each in conn.execute(_beside(row, visible)) if place(each)[0] == mine]
    there.sort(key=lambda each: (*place(each)[1:], each.id))
    ids = [each.id for each in there]
    if row.id not in ids:
        return
    at = ids.index(row.id)
    for apart in range(1, reach + 1):
        for offset in (-apart, apart):
            if 0 <= at + offset < len(ids):
                yield ids[at + offset], offset


def _beside(row: Row[Any], visible: ColumnElement[bool]) -> Select[Any]:
    """Where the items are that may stand beside `row`, itself among them."""
    reference = row.source_ref or ""
    if reference.startswith(NOTEBOOK_REF):
        path = select(notebook_sections.c.path).where(notebook_sections.c.item_id == row.id).scalar_subquery()
        of_file = _places.join(notebook_sections, notebook_sections.c.item_id == _items.id)
        return of_file.where(notebook_sections.c.path == path, visible)
    near = _places.where(_items.id.between(row.id - _NEAR, row.id + _NEAR), _items.agent_id == row.agent_id, visible)
    if not reference:
        return near.where(func.coalesce(_items.source_ref, "") == "", _items.occurred_at == row.occurred_at)
    source = str(place(row)[0][1])
    return near.where(func.substr(_items.source_ref, 1, len(source)) == source)


def _neighbour(row: Row[Any], offset: int, memory_id: str) -> Neighbour:
    fields = {name: row._mapping[name] for name in Neighbour.model_fields if name in row._mapping}
    return Neighbour.model_validate({**fields, "beside": memory_id, "offset": offset})
