"""Ordering candidates by the reranker, and leaving out what is irrelevant (contract memory-api, Recall).

An item is relevant when it has enough of the question's words and is not far behind the best, or when it means nearly
the same. That is decided on bare features, so no version of the reranker can lower the floor.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row

from appliance.memory.candidates import Candidates, CandidateSource, Query, candidates
from appliance.memory.features import NAMES, Measured, measure
from appliance.memory.reranker import Weights, score, weights_of

MEANING = "meaning"  # among what matched: found by its meaning rather than by words
_FLOOR = 0.15  # of the best candidate's lexical relevance
_LEXICAL, _TIME = NAMES.index("lexical"), NAMES.index("time")


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with its score of 0 to 1, the query's words it has, and its features in the order of `NAMES`."""

    row: Row[Any]
    score: float
    matched: list[str]
    features: tuple[float, ...]


def search(
    conn: Connection,
    sources: Sequence[CandidateSource],
    query: Query,
    visible: ColumnElement[bool],
    limit: int,
    now: int,
    version: Weights | None = None,
) -> list[Ranked]:
    """The visible items that answer the query, best first: what `rank` makes of about `limit` from each source."""
    return rank(query, candidates(conn, sources, query, visible, limit), now, version)


def rank(query: Query, found: Candidates, now: int, version: Weights | None = None) -> list[Ranked]:
    """The relevant ones of the candidates, best first, as a version of the reranker has them (None: the baseline).

    Left out as irrelevant: what has too few of the query's words (two, from six words up) or is far behind the best,
    unless its meaning is near.
    """
    weights = weights_of(version)
    whole = sum(abs(weight) for weight in weights) or 1.0
    least = 2 if len(query.words) > 5 else 1
    ranked = [
        Ranked(each.row, score(each.features, weights) / whole, why, each.features)
        for each in measure(query, found, now)
        if (why := _relevance(each, query, least, found.floor))
    ]
    return sorted(ranked, key=lambda each: (-each.score, each.row.id))


def _relevance(each: Measured, query: Query, least: int, floor: float) -> list[str]:
    """What makes it relevant; nothing when it is not."""
    by_words = each.matched if len(each.matched) >= least and each.features[_LEXICAL] >= _FLOOR else []
    by_meaning = [MEANING] if each.cosine >= floor else []
    by_time = [query.windows[0].name] if each.features[_TIME] > 0 else []
    if not (by_words or by_meaning or (by_time and query.only_time)):
        return []
    return [*each.matched, *by_meaning, *by_time]
