"""The metrics against figures worked out by hand."""

from math import log2

import pytest

from appliance.bench.metrics import Answered, by_tag, fractional_recall, hit, means, ndcg, reciprocal_rank

FOUND = ["c", "a", "x", "b"]


@pytest.mark.parametrize(("k", "share"), [(1, 0.0), (2, 0.5), (4, 1.0), (10, 1.0)])
def test_fractional_recall_is_the_share_among_the_first(k: int, share: float) -> None:
    assert fractional_recall(FOUND, {"a", "b"}, k) == share


def test_a_hit_is_any_of_the_expected() -> None:
    assert [hit(FOUND, {"a", "b"}, k) for k in (1, 2)] == [0.0, 1.0]


def test_reciprocal_rank_counts_the_first_of_the_expected() -> None:
    assert reciprocal_rank(FOUND, {"b", "x"}) == 1 / 3
    assert reciprocal_rank(FOUND, {"z"}) == 0.0


def test_ndcg_is_one_for_the_best_order_and_less_for_another() -> None:
    assert ndcg(["a", "b", "x"], {"a", "b"}, 3) == pytest.approx(1.0)
    assert ndcg(FOUND, {"a", "b"}, 4) == pytest.approx((1 / log2(3) + 1 / log2(5)) / (1 + 1 / log2(3)))
    assert ndcg(["a"], {"a", "b", "c"}, 1) == pytest.approx(1.0)  # no order of one is better


def answered(found: list[str], tags: list[str], seconds: float) -> Answered:
    return Answered("", "", tags, frozenset({"a"}), found, tokens=10, seconds=seconds)


def test_means_are_over_all_questions_and_over_those_of_each_tag() -> None:
    both = [answered(["a"], ["one", "two"], 0.001), answered(["x"], ["two"], 0.003)]
    overall = means(both, [5])
    assert (overall["cases"], overall["recall@5"], overall["mrr"], overall["avg_composed_tokens"]) == (2, 0.5, 0.5, 10)
    assert (overall["latency_p50_ms"], overall["latency_p95_ms"]) == (1.0, 3.0)
    slices = by_tag(both, [5])
    assert {tag: metrics["fractional_recall@5"] for tag, metrics in slices.items()} == {"one": 1.0, "two": 0.5}
