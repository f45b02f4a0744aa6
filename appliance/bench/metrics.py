"""How well a list of found memories answers a question (Manning, Raghavan, Schütze 2008, chapter 8)."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from appliance.bench.report import percentile

_PERCENTS = (50, 95, 99)


@dataclass(frozen=True)
class Answered:
    """One question and what was found for it: ids best first, their tokens, and the seconds it took."""

    name: str
    query: str
    tags: Sequence[str]
    expected: frozenset[str]
    found: Sequence[str]
    tokens: int
    seconds: float


def hit(found: Sequence[str], expected: Collection[str], k: int) -> float:
    """1 when any of `expected` is among the first `k` found, else 0."""
    return float(any(each in expected for each in found[:k]))


def fractional_recall(found: Sequence[str], expected: Collection[str], k: int) -> float:
    """The share of `expected` that is among the first `k` found."""
    return len(set(found[:k]) & set(expected)) / len(expected)


def reciprocal_rank(found: Sequence[str], expected: Collection[str]) -> float:
    """1 over the place of the first of `expected`; 0 when none was found."""
    return next((1 / place for place, each in enumerate(found, 1) if each in expected), 0.0)


def ndcg(found: Sequence[str], expected: Collection[str], k: int) -> float:
    """Discounted cumulative gain of the first `k`, as a share of the best order's (Järvelin and Kekäläinen 2002)."""
    gain = sum(1 / math.log2(place + 1) for place, each in enumerate(found[:k], 1) if each in expected)
    return gain / sum(1 / math.log2(place + 1) for place in range(1, min(len(expected), k) + 1))


def means(answered: Collection[Answered], ks: Sequence[int]) -> dict[str, float]:
    """The metrics over all questions, by name; Brainstem's names where it has them (recall@k: any was found)."""
    by_name: dict[str, float] = {"cases": len(answered)}
    for k in ks:
        by_name[f"recall@{k}"] = fmean(hit(each.found, each.expected, k) for each in answered)
        by_name[f"fractional_recall@{k}"] = fmean(fractional_recall(each.found, each.expected, k) for each in answered)
        by_name[f"ndcg@{k}"] = fmean(ndcg(each.found, each.expected, k) for each in answered)
    by_name["mrr"] = fmean(reciprocal_rank(each.found, each.expected) for each in answered)
    by_name["avg_composed_tokens"] = fmean(each.tokens for each in answered)
    times = [each.seconds * 1e3 for each in answered]
    return by_name | {f"latency_p{percent}_ms": percentile(times, percent) for percent in _PERCENTS}


def by_tag(answered: Collection[Answered], ks: Sequence[int]) -> dict[str, dict[str, float]]:
    """The same for each tag, over the questions that have it."""
    tags = sorted({tag for each in answered for tag in each.tags})
    return {tag: means([each for each in answered if tag in each.tags], ks) for tag in tags}


def told(each: Answered, ks: Sequence[int]) -> dict[str, Any]:
    """One question's result, for JSON."""
    k = max(ks)
    return {
        "name": each.name,
        "query": each.query,
        "tags": list(each.tags),
        "recall": hit(each.found, each.expected, k),
        "fractional_recall": fractional_recall(each.found, each.expected, k),
        "ndcg": ndcg(each.found, each.expected, k),
        "reciprocal_rank": reciprocal_rank(each.found, each.expected),
        "composed_tokens": each.tokens,
        "latency_ms": each.seconds * 1e3,
        "expected": sorted(each.expected),
        "found": list(each.found),
    }
