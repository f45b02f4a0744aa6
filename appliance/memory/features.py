"""What is measured of a candidate before it is ranked: the reranker's features, in a fixed order.

Each is a number of about 0 to 1 that grows with how much speaks for the candidate, 0 when nothing does. None depends on
rows that the caller cannot see (contract memory-api, Visibility).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row

from appliance.memory.candidates import Candidates, Query
from appliance.memory.lexical import Wanted, bm25, stem
from appliance.memory.neighbours import beside, lent
from appliance.memory.speakers import asked_for, speaker
from appliance.memory.timing import is_when, nearness, tells_when

NAMES: tuple[str, ...] = (
    "lexical",  # BM25 among the candidates, as a share of the best
    "coverage",  # how much of the question's words, by their rarity, it has
    "meaning",  # cosine to the question, from the candidates' least to their greatest
    "neighbour_lexical",  # the greatest `lexical` of the items beside it in its source
    "neighbour_meaning",
    "speaker",  # it is said by whom the question means
    "brevity",  # 1/2 at `_BRIEF` characters, less when longer
    "statement",  # it is more than a question: those are not answers
    "tells_when",  # it names a day or a span, and the question is "when"
    "time",  # it happened in the time the question names
    "salience",
    "confidence",
    "trust",
    "recency",  # 1/2 after `_RECENCY_DAYS` days
)
_BRIEF = 1200
_RECENCY_DAYS = 30.0
_DAY_MS = 86_400_000.0
_LEAST_SPREAD = 0.2  # of cosines: closer ones are not drawn apart


class Measured(NamedTuple):
    """A candidate with its features in the order of `NAMES`, the query's words it has, and its bare cosine."""

    row: Row[Any]
    features: tuple[float, ...]
    matched: list[str]
    cosine: float


def measure(query: Query, candidates: Candidates, now: int) -> list[Measured]:
    """Every candidate's features; they depend on which candidates there are."""
    rows = candidates.rows
    if not rows:
        return []
    speakers = [speaker(row.text) for row in rows]
    meant = asked_for(query.text, speakers)
    word_of = _wanted(query, meant)
    wanted = Wanted(word_of)
    found = [wanted.occurrences(row.search_text) for row in rows]
    weights, coverage = bm25(word_of, found)
    lexical = _share_of_best(weights)
    meaning = _spread(rows, candidates.cosines, candidates.floor)
    pairs = beside(rows)
    nothing = [0.0] * len(rows)
    columns = (
        lexical,
        coverage,
        meaning,
        lent(pairs, lexical),
        lent(pairs, meaning),
        [float(not meant.isdisjoint(each)) for each in speakers],
        [_BRIEF / (_BRIEF + each.length) for each in found],
        [float(not row.text.endswith("?")) for row in rows],
        [float(tells_when(row.text)) for row in rows] if is_when(query.text) else nothing,
        [nearness(row.occurred_at, query.windows) for row in rows] if query.windows else nothing,
        [row.salience for row in rows],
        [row.confidence for row in rows],
        [row.trust for row in rows],
        [_recency(row.occurred_at, now) for row in rows],
    )
    return [
        Measured(row, features, [word_of[term] for term in each.counts], candidates.cosines.get(row.id, 0.0))
        for row, features, each in zip(rows, zip(*columns, strict=True), found, strict=True)
    ]


def _wanted(query: Query, meant: frozenset[str]) -> dict[str, str]:
    """The question's words by their stems, without the speakers' names: who is named is not who speaks."""
    said = [word for word in query.words if word not in meant] or query.words
    return {stem(word): word for word in said}


def _share_of_best(weights: list[float]) -> list[float]:
    best = max(weights)
    return [weight / best for weight in weights] if best > 0 else weights


def _spread(rows: Sequence[Row[Any]], cosines: Mapping[int, float], floor: float) -> list[float]:
    """The cosines drawn apart to 0..1; a row that has no vector yet counts as their mean."""
    known = [cosines[row.id] for row in rows if row.id in cosines]
    if not known:
        return [0.0] * len(rows)
    least = min(floor, *known)
    spread = max(max(known) - least, _LEAST_SPREAD)
    mean = sum(known) / len(known)
    return [(cosines.get(row.id, mean) - least) / spread for row in rows]


def _recency(occurred_at: int, now: int) -> float:
    return 1 / (1 + max(now - occurred_at, 0) / _DAY_MS / _RECENCY_DAYS)
