"""What belongs to what was found: items that share words, a phrase, a reference or their time with the best of them
(contract memory-api, Recall, Graph).

There is no table of edges: a relation is a question to an index that is kept anyway, so remembering costs nothing more
and memory stays linear. What more than `_HUB` visible items have in common relates none of them.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from appliance.memory.rank import Ranked
from appliance.settings import Graph
from appliance.storage import Database
from appliance.storage.schema import memory_items
from appliance.text import STOP_WORDS, words

_SEEDS = 3  # of the ranking's best
_KEYWORDS, _PHRASES, _REFERENCES = 6, 4, 3  # looked for, of each seed
_HUB = 24
_LEAST = 0.35  # of strength: one shared everyday word is no relation
_HALF = 1.5  # the strength at which a related item scores half of what its seed does
_HOUR_MS = 3_600_000
_NEAR_MS = 6 * _HOUR_MS
_REFERENCE = re.compile(
    r"https?://[^\s<>\"')\]]+"  # an address
    r"|\b[A-Z][A-Z0-9]*-[A-Z]*\d+\b|(?<!\w)#\d+\b|(?<!\w)@\w[\w.-]+"  # an issue, a person
    r"|\b[\w.-]+(?:/[\w.-]+)+\b|\b\w+\.(?:py|js|ts|go|rs|md|json|toml|yml|yaml|sh|sql|txt)\b"  # a file
)
_WORD = re.compile(r"[^\W_]+")


class Kind(StrEnum):
    """How two items can be related."""

    KEYWORD = "keyword"
    PHRASE = "phrase"
    TEMPORAL = "temporal"
    REFERENCE = "reference"


@dataclass(slots=True)
class _Related:
    """An item that belongs to a seed: how strongly, and by what."""

    row: Row[Any]
    seed: Ranked
    strength: float = 0.0
    by: list[str] = field(default_factory=list)


def expand(
    conn: Connection, database: Database, ranked: Sequence[Ranked], visible: ColumnElement[bool], settings: Graph
) -> list[Ranked]:
    """`ranked` with up to `max_expansion` related items in their places, none before the one it belongs to.

    Args:
        conn: the snapshot the ranking was made from.
        database: whose indexes are asked.
        ranked: best first.
        visible: what the caller may see and asked for; nothing else is found or counted.
        settings: weights by kind, and the half-life: of two equal relations the one to an item that happened
            `half_life_hours` further away counts half.
    """
    known = {each.row.id for each in ranked}
    related: dict[int, _Related] = {}
    for seed in ranked[:_SEEDS]:
        for kind, label, rows in _relations(conn, database, seed.row, visible):
            others = [row for row in rows if row.id not in known]
            if not others or len(rows) > _HUB:
                continue
            weight = getattr(settings, f"{kind}_weight") / (1 + math.log2(len(rows)))
            for row in others:
                found = related.setdefault(row.id, _Related(row, seed))
                if found.seed is seed:  # the best of its seeds is enough
                    found.strength += weight * _decay(seed.row, row, settings)
                    found.by.append(f"{kind}: {label}")
    best = sorted(related.values(), key=lambda each: (-_score(each), each.row.id))
    chosen = [each for each in best if each.strength >= _LEAST][: settings.max_expansion]
    extra = [replace(each.seed, row=each.row, score=_score(each), matched=each.by) for each in chosen]
    return sorted([*ranked, *extra], key=lambda each: -each.score)


def _relations(
    conn: Connection, database: Database, seed: Row[Any], visible: ColumnElement[bool]
) -> Iterator[tuple[Kind, str, Sequence[Row[Any]]]]:
    """Each thing that other items may have in common with `seed`, and the newest that do; one more than a hub's."""
    for kind, phrase in _terms(seed.text):
        yield kind, " ".join(phrase), database.containing(conn, phrase, visible, _HUB + 1)
    apart = func.abs(memory_items.c.occurred_at - seed.occurred_at)
    near = memory_items.c.occurred_at.between(seed.occurred_at - _NEAR_MS, seed.occurred_at + _NEAR_MS)
    nearest = select(memory_items).where(visible, near).order_by(apart, memory_items.c.id).limit(_HUB + 1)
    yield Kind.TEMPORAL, "the same hours", conn.execute(nearest).all()


def _terms(text: str) -> list[tuple[Kind, list[str]]]:
    """What of a text other items may have too: references, pairs of names or long words, and single ones."""
    references = list(dict.fromkeys(match.group() for match in _REFERENCE.finditer(text)))[:_REFERENCES]
    tokens = [match.group() for match in _WORD.finditer(_REFERENCE.sub(" ", text))]
    telling = [token for token in tokens if len(token) > 3 and token.lower() not in STOP_WORDS]
    pairs = [pair for pair in pairwise(tokens) if all(each in telling for each in pair)]
    phrases = sorted(dict.fromkeys(pairs), key=lambda pair: -sum(map(_weight, pair)))[:_PHRASES]
    keywords = sorted(dict.fromkeys(telling), key=lambda token: -_weight(token))[:_KEYWORDS]
    found = [(Kind.REFERENCE, words(reference)) for reference in references]
    found += [(Kind.PHRASE, words(" ".join(pair))) for pair in phrases]
    found += [(Kind.KEYWORD, words(keyword)) for keyword in keywords]
    return [(kind, phrase) for kind, phrase in found if phrase]


def _weight(token: str) -> float:
    """How much a word is likely to tell: names and words with digits more than long ones, these more than short."""
    return len(token) + (4 if not token.islower() else 0)


def _decay(seed: Row[Any], row: Row[Any], settings: Graph) -> float:
    hours = abs(row.occurred_at - seed.occurred_at) / _HOUR_MS
    return float(0.5 ** (hours / settings.half_life_hours))


def _score(related: _Related) -> float:
    return related.seed.score * related.strength / (related.strength + _HALF)
