"""Which items stand beside each other: in one conversation, in one file, or remembered one after the other.

A `source_ref` says where an item stands when it ends in a number (`talk-7/session_3#D3:4`) or in lines
(`notebook:plan.md#L12-L18`); what comes before is the source. Items of one source without such an end, and those of one
agent and moment without any source, stand in the order in which they were remembered.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Row

_REACH = 2  # places; what is two away lends half as much as what is next
_LINES = re.compile(r"(.*#)L(\d{1,9})-L(\d{1,9})", re.DOTALL)
_NUMBER = re.compile(r"(.*?)(\d{1,9})", re.DOTALL)

type Pair = tuple[int, int, int]  # two rows, by their positions, and how many places they are apart
type _Place = tuple[int, int, int]  # first, last, which row


def beside(rows: Sequence[Row[Any]]) -> list[Pair]:
    """Which rows stand beside each other."""
    sources: dict[tuple[object, ...], list[_Place]] = {}
    for position, row in enumerate(rows):
        source, first, last = place(row)
        sources.setdefault(source, []).append((first, last, position))
    return [pair for places in sources.values() if len(places) > 1 for pair in _near(sorted(places))]


def _near(places: Sequence[_Place]) -> Iterator[Pair]:
    for at, (_, last, one) in enumerate(places):
        for first, _, other in places[at + 1 :]:
            if (apart := max(first - last, 1)) > _REACH:
                break
            yield one, other, apart


def lent(pairs: Sequence[Pair], values: Sequence[float]) -> list[float]:
    """For each row the greatest of the `values` that the rows beside it have, less by distance; 0 when none is."""
    lending = [0.0] * len(values)
    for one, other, apart in pairs:
        lending[one] = max(lending[one], values[other] / apart)
        lending[other] = max(lending[other], values[one] / apart)
    return lending


def place(row: Row[Any]) -> tuple[tuple[object, ...], int, int]:
    """An item's source, and its first and last place in it."""
    reference = row.source_ref
    if not reference:
        return (row.agent_id, row.occurred_at), row.id, row.id
    if lines := _LINES.fullmatch(reference):
        return (row.agent_id, lines[1]), int(lines[2]), int(lines[3])
    if number := _NUMBER.fullmatch(reference):
        return (row.agent_id, number[1]), int(number[2]), int(number[2])
    return (row.agent_id, reference), row.id, row.id
