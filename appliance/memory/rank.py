"""Ordering candidates: relevance first, then salience, confidence, trust and recency as tie-breakers.

Relevance is BM25 (Robertson and Zaragoza 2009) computed over the candidates alone. The store's own statistics count
every tenant's rows, so an order made from them would let one caller learn which words another's items hold.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any

from snowballstemmer import stemmer
from sqlalchemy import Row

from appliance.memory.candidates import Query
from appliance.text import words

_K1, _B = 1.2, 0.75
_TIE_BREAK = 0.04  # the most that tie-breakers add to a relevance of 0..1
_FLOOR = 0.15  # of the best candidate's relevance
_RECENCY_DAYS = 30.0
_DAY_MS = 86_400_000.0
_porter = stemmer("porter")
_stemming = Lock()  # the stemmer keeps the word it works on in itself


@lru_cache(maxsize=10_000)
def stem(word: str) -> str:
    """A folded word's stem, by the algorithm of the full-text index (Porter 1980); it begins as the word does."""
    if len(word) < 3:  # so does the index
        return word
    with _stemming:
        stemmed: str = _porter.stemWord(word)
    return stemmed


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with its score and the query's words it has."""

    row: Row[Any]
    score: float
    matched: list[str]


def rank(query: Query, rows: Sequence[Row[Any]], now: int) -> list[Ranked]:
    """The relevant ones of `rows`, best first.

    Left out as irrelevant: what has too few of the query's words (two, from six words up), and what is far behind
    the best.
    """
    wanted = {stem(word): word for word in query.words}
    beginnings = {term[:1] for term in wanted}
    found = [_occurrences(row.search_text, wanted, beginnings) for row in rows]
    relevances = _bm25(wanted, found)
    best = max(relevances, default=0.0)
    if best <= 0:
        return []
    least = 2 if len(wanted) > 5 else 1
    ranked = [
        Ranked(row, relevance / best + _TIE_BREAK * _standing(row, now), [wanted[term] for term in counts])
        for row, (counts, _), relevance in zip(rows, found, relevances, strict=True)
        if len(counts) >= least and relevance >= _FLOOR * best
    ]
    return sorted(ranked, key=lambda candidate: (-candidate.score, candidate.row.id))


def _occurrences(search_text: str, wanted: dict[str, str], beginnings: set[str]) -> tuple[Counter[str], int]:
    text_words = words(search_text)
    # Stemming is slow, and most words begin with another letter than any of the query's.
    stems = [stem(word) for word in text_words if word[0] in beginnings]
    counts = Counter(term for term in stems if term in wanted)
    if not search_text.isascii():  # a query of one unsegmented character matches pairs that begin with it
        for single in (term for term in wanted if len(term) == 1 and not term.isascii()):
            counts[single] += sum(term.startswith(single) for term in stems if term != single)
    return +counts, len(text_words)


def _bm25(wanted: dict[str, str], found: list[tuple[Counter[str], int]]) -> list[float]:
    if not found:
        return []
    mean_length = sum(length for _, length in found) / len(found) or 1.0
    among = Counter(term for counts, _ in found for term in counts)
    store = 2 * len(found)  # candidates have more of the query's words than the store they come from
    rarity = {term: math.log(1 + (store - among[term] + 0.5) / (among[term] + 0.5)) for term in wanted}
    return [
        sum(
            rarity[term] * count * (_K1 + 1) / (count + _K1 * (1 - _B + _B * length / mean_length))
            for term, count in counts.items()
        )
        for counts, length in found
    ]


def _standing(row: Row[Any], now: int) -> float:
    """0..1: what breaks a tie."""
    age_days = max(now - row.occurred_at, 0) / _DAY_MS
    recency = 1 / (1 + age_days / _RECENCY_DAYS)
    return float(0.4 * row.salience + 0.3 * row.confidence + 0.2 * row.trust + 0.1 * recency)
