"""The reranker: a candidate's score is the weighted sum of its features (memory/features.py).

The baseline's weights were fitted on conversations (docs/benchmarks.md); the versions a tenant trains replace them.
What is relevant at all is not decided here but in memory/rank.py, so no version can lower that floor.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from appliance.memory.features import NAMES

type Weights = Mapping[str, float]

BASELINE: Final[Weights] = {
    "lexical": 1.0,
    "meaning": 0.7,
    "neighbour_lexical": 0.5,
    "neighbour_meaning": 0.3,
    "speaker": 0.5,
    "brevity": 0.75,
    "statement": 0.15,
    "tells_when": 0.15,
    "time": 0.4,
    "salience": 0.016,  # the last four break ties
    "confidence": 0.012,
    "trust": 0.008,
    "recency": 0.004,
}


def weights_of(version: Weights | None) -> list[float]:
    """A version's weights in the order of `NAMES`: what it leaves out is the baseline's, None is the baseline."""
    whole = {**BASELINE, **(version or {})}
    return [whole.get(name, 0.0) for name in NAMES]


def score(features: Sequence[float], weights: Sequence[float]) -> float:
    """One candidate's score; both arguments in the order of `NAMES`."""
    return math.sumprod(features, weights)
