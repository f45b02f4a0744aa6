"""Fitting weights to verdicts, and measuring an order by nDCG; numpy is loaded only when something is fitted.

Loss: of each recall the cross entropy between its helpful candidates and the softmax of all scores (ListNet's top one,
Cao et al. 2007), plus a pull towards the weights it began with. Of a candidate that nobody judged little is known: it
counts as a fraction of one that did not help.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from appliance.memory.judgements import JudgedRecall

if TYPE_CHECKING:
    import numpy as np

    type Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

_UNJUDGED = 0.3
_PULL = 4.0  # as strong as so many recalls
_SHARPNESS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # of the softmax over scores of about 0 to 2; what fits best is taken
_STEPS = 500


def fit(recalls: Sequence[JudgedRecall], start: Sequence[float], learned: Sequence[bool]) -> list[float]:
    """Weights that put what helped in `recalls` further up; their sum is that of `start`.

    Only those `learned` change, and none falls below 0: every feature grows with what speaks for a candidate. In each
    recall something must have helped.
    """
    import numpy as np

    features, presence, aim = _tensors(recalls)
    free, first = np.asarray(learned), np.asarray(start)

    def chances(weights: "Array") -> "Array":
        scores = features @ weights + presence
        likely: Array = np.exp(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True))
        return likely

    def loss(sharpness: float) -> float:
        return -float((aim * np.log(np.maximum(chances(first * sharpness), 1e-300))).sum())

    sharpness = min(_SHARPNESS, key=loss)
    begin = weights = first * sharpness
    pull = _PULL / len(recalls)
    step = 1 / (float((features**2).sum(axis=2).max()) + pull)
    for _ in range(_STEPS):
        excess = np.einsum("rc,rcf->f", chances(weights) - aim, features) / len(recalls)
        moved = np.maximum(weights - step * (excess + pull * (weights - begin)), 0.0)
        weights = np.where(free, moved, begin)
    grown = weights[free].sum() / begin[free].sum()
    return [float(weight) for weight in np.where(free, weights / (grown or 1.0), begin) / sharpness]


def ndcg(recalls: Sequence[JudgedRecall], weights: Sequence[float], at: int = 10) -> float:
    """The mean nDCG@`at` of the order that `weights` make of each recall's candidates (Järvelin and Kekäläinen 2002).

    A candidate gains its grade; one that nobody judged gains nothing. In each recall something must have helped.
    """
    import numpy as np

    discounts = 1 / np.log2(np.arange(at) + 2.0)
    found = []
    for recall in recalls:
        scores = np.asarray(recall.features, dtype=np.float64) @ np.asarray(weights)
        gains = np.asarray([grade or 0.0 for grade in recall.grades])
        ranked, ideal = gains[np.argsort(-scores, kind="stable")][:at], np.sort(gains)[::-1][:at]
        found.append((ranked * discounts[: len(ranked)]).sum() / (ideal * discounts[: len(ideal)]).sum())
    return float(np.mean(found))


def _tensors(recalls: Sequence[JudgedRecall]) -> tuple["Array", "Array", "Array"]:
    """Features (recalls, candidates, features), the log of how far each candidate counts, and each one's share of help.

    Recalls with fewer candidates are filled up with such as do not count.
    """
    import numpy as np

    longest = max(len(recall.grades) for recall in recalls)
    features = np.zeros((len(recalls), longest, len(recalls[0].features[0])))
    presence = np.full((len(recalls), longest), -1e9)
    aim = np.zeros((len(recalls), longest))
    for number, recall in enumerate(recalls):
        count = len(recall.grades)
        helped = np.asarray([grade or 0.0 for grade in recall.grades])
        features[number, :count] = recall.features
        presence[number, :count] = [np.log(_UNJUDGED) if grade is None else 0.0 for grade in recall.grades]
        aim[number, :count] = helped / helped.sum()
    return features, presence, aim
