"""Default salience and confidence of an item, and trust as a number (contract memory-api, Scoring defaults).

Salience is a weighted sum of features, of which a tenant may train other weights (memory/training.py).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from appliance.memory.models import ItemType, TrustLevel

TRUST = {TrustLevel.TRUSTED_TOOL: 1.0, TrustLevel.USER_CLAIM: 0.70, TrustLevel.UNTRUSTED_WEB: 0.35}
SALIENCE: Final[Mapping[str, float]] = {
    ItemType.EVENT: 0.45,
    ItemType.FACT: 0.70,
    ItemType.EPISODE: 0.60,
    ItemType.POLICY: 0.90,
    "importance": 0.03,  # for each word of importance
    "figures": 0.0,  # it has a number
    "length": 0.0,  # 0 to 1, of a text of 500 words
}
_CONFIDENCE = {TrustLevel.TRUSTED_TOOL: 0.82, TrustLevel.USER_CLAIM: 0.66, TrustLevel.UNTRUSTED_WEB: 0.38}
IMPORTANCE = frozenset("must required deadline blocked constraint critical policy security cannot".split())
HEDGES = frozenset("maybe might possibly unsure guess".split())


def salience(kind: ItemType, text_words: list[str]) -> float:
    """How much an item matters, 0.05 to 0.99: by its type, and more for each word of importance."""
    important = sum(map(IMPORTANCE.__contains__, text_words))
    return _clamp(SALIENCE[kind] + SALIENCE["importance"] * important, 0.99)


def fitted_salience(weights: Mapping[str, float], kind: ItemType, text_words: list[str]) -> float:
    """The same by trained `weights`; one that they lack is the contract's."""
    features = zip(SALIENCE, salience_features(kind, text_words), strict=True)
    return _clamp(sum(weights.get(name, SALIENCE[name]) * feature for name, feature in features), 0.99)


def salience_features(kind: ItemType, text_words: list[str]) -> Sequence[float]:
    """What is measured of an item, in the order of `SALIENCE`."""
    return (
        *(float(kind is each) for each in ItemType),
        float(sum(word in IMPORTANCE for word in text_words)),
        float(any(character.isdigit() for word in text_words for character in word)),
        min(math.log1p(len(text_words)) / math.log1p(500), 1.0),
    )


def confidence(trust: TrustLevel, text_words: list[str]) -> float:
    """How sure an item is, 0.05 to 0.98: by its source, and less for each hedging word."""
    return _clamp(_CONFIDENCE[trust] - 0.05 * sum(map(HEDGES.__contains__, text_words)), 0.98)


def _clamp(value: float, most: float) -> float:
    return round(min(max(value, 0.05), most), 4)
