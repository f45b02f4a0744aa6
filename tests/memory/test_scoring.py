"""Salience and confidence an item gets when its writer gives none (contract memory-api, Scoring defaults)."""

from typing import Any

import pytest

TYPES = {"event": 0.45, "fact": 0.70, "episode": 0.60, "policy": 0.90}
TRUST = {"trusted_tool": 0.82, "user_claim": 0.66, "untrusted_web": 0.38}
IMPORTANT = "must required deadline blocked constraint critical policy security cannot".split()
HEDGES = "maybe might possibly unsure guess".split()


def scores(ada: Any, text: str, **item: Any) -> tuple[float, float]:
    kept = ada.inspect(ada.keep({"text": text, **item}))
    return kept.salience, kept.confidence


@pytest.mark.parametrize(("kind", "salience"), TYPES.items())
@pytest.mark.parametrize(("trust_level", "confidence"), TRUST.items())
def test_type_gives_salience_and_trust_gives_confidence(
    ada: Any, kind: str, salience: float, trust_level: str, confidence: float
) -> None:
    assert scores(ada, "plain words", type=kind, trust_level=trust_level) == pytest.approx((salience, confidence))


def test_a_writers_own_values_win_also_when_they_are_the_limits(ada: Any) -> None:
    for salience, confidence in ((0.0, 1.0), (1.0, 0.0), (0.123, 0.456)):
        assert scores(ada, "critical, maybe", salience=salience, confidence=confidence) == (salience, confidence)
    assert scores(ada, "critical, maybe", salience=0.5) == pytest.approx((0.5, 0.61))
    assert scores(ada, "critical, maybe", confidence=0.5) == pytest.approx((0.73, 0.5))
    assert scores(ada, "critical, maybe", salience=None, confidence=None) == pytest.approx((0.73, 0.61))


@pytest.mark.parametrize("word", IMPORTANT)
def test_each_word_of_importance_adds(ada: Any, word: str) -> None:
    assert scores(ada, f"it is {word.upper()}!")[0] == pytest.approx(0.73)


@pytest.mark.parametrize("word", HEDGES)
def test_each_hedge_takes_away(ada: Any, word: str) -> None:
    assert scores(ada, f"{word.title()}, who knows")[1] == pytest.approx(0.61)


@pytest.mark.parametrize(
    "text", ["mustard requires a policyholder", "deadlines, constraints, insecurity", "mighty guesses, impossibly"]
)
def test_only_whole_words_count(ada: Any, text: str) -> None:
    assert scores(ada, text) == pytest.approx((0.70, 0.66))


def test_scores_are_clamped(ada: Any) -> None:
    assert scores(ada, " ".join(IMPORTANT), type="policy")[0] == pytest.approx(0.99)
    assert scores(ada, " ".join(HEDGES * 4), trust_level="untrusted_web")[1] == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("trust_level", "at", "above"),
    [("trusted_tool", 1.0, None), ("user_claim", 0.7, 0.71), ("untrusted_web", 0.35, 0.36)],
)
def test_the_least_trust_of_a_recall_includes_its_own_value(
    ada: Any, trust_level: str, at: float, above: float | None
) -> None:
    ada.keep({"text": "the gate code", "trust_level": trust_level})
    assert ada.recall("gate", filters={"trust_min": at}) == ["the gate code"]
    if above is not None:
        assert ada.recall("gate", filters={"trust_min": above}) == []
