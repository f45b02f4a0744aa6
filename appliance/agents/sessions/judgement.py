"""A linear model of what is worth keeping: words, pairs of words and a few cues of a sentence, each with a weight.

It has learned from labelled messages what the rules cannot list (`learning.py`), and has the last word on what they
find. Standard library only, and nothing of it is loaded before the first message.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

WEIGHTS = Path(__file__).with_name("weights.json")

_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+|[?!:=/@_#\"-]|\.(?=\w)")
_CUES = {
    name: re.compile(pattern, 0 if name in ("value", "name") else re.IGNORECASE)
    for name, pattern in {
        "forbids": r"(?:^|[,;:] )(?:please |so )?(?:don'?t|do not|never)\b",
        "must not": r"\b(?:must|may|should|can|shall)(?: not|n'?t| never)\b",
        "let us": r"\blet'?s\b|\blet us\b",
        "we": r"^(?:so |ok,? |then |and )*(?:we|i)(?:'ll|'re|'ve| will| are| have| am|'m)? \w+",
        "decides": r"\b(?:decid|agree|settl|chose|chos|pick|opt)\w*",
        "first": r"\bfirst\b",
        "urgent": r"\bpriorit|\burgent|\bimportant|\bcritical|\bdeadline|\bwait\b|\bfocus",
        "lasts": r"\b(?:from now on|going forward|always|whenever|every time|each time|everywhere|in general)\b",
        "likes": r"\b(?:prefer|rather|like|hate|favou?rite)\b",
        "you did": r"(?:^|[,.;] )you (?:\w+ed|forgot|got|put|made|took|wrote|left|mis\w+)\b",
        "wrong": r"\b(?:wrong|incorrect|false|mistake|misread|misunder\w+|not right)\b",
        "not that": r", not\b|\bbut not\b|\band not\b|\binstead of\b|\brather than\b",
        "no": r"^(?:no+|nope|not|wrong|stop|wait|actually|almost)\b",
        "is": r"\b(?:is|are|was|called|named|=)\b",
        "built": r"\b(?:api|service|module|database|cache|queue|client|server|layer|gateway|worker|store|library|schema"
        r"|table|component|plugin)s?\b",
        "bounds": r"\b(?:only|must|through|own|separate|per|between|behind|directly)\b",
        "asks": r"\?",
        "supposes": r"^(?:if|maybe|perhaps|suppose|could|would|can|should|do|does|did|is|are|what|why|how|which|who"
        r"|where"
        r"|when)\b",
        "reason": r"\b(?:because|since|so that|as we|in order)\b",
        "mine": r"^(?:my|our|his|her|their|the) ",
        "digit": r"\d",
        "value": r"\b[\w.+-]+@\w|https?://|\w_\w|\w/\w|\b[a-z]+-\w*\d|\b\w+\.\w+\.\w+|\d\.\d|\b[A-Z]{2,}\b",
        "name": r"(?<!^)(?<![.!?] )\b[A-Z][a-z]+",
    }.items()
}
_LENGTHS = 5


@dataclass(frozen=True, slots=True)
class Judgement:
    """How likely a sentence is to be kept (log odds), and as what it is likeliest."""

    score: float
    kind: str


def features(sentence: str) -> set[str]:
    """What the model sees of a sentence."""
    words = ["0" if word.isdigit() else word for word in _TOKEN.findall(sentence.lower())]
    cues = [name for name, pattern in _CUES.items() if pattern.search(sentence)]
    return {
        *words,
        *(f"{one} {two}" for one, two in pairwise(words)),
        *(f"^{' '.join(words[:count])}" for count in (1, 2)),
        f"length {min(len(words) // 4, _LENGTHS)}",
        *(f"*{name}" for name in cues),
        *(f"*{one}*{two}" for one in cues for two in cues if one < two),
    }


def judge(sentence: str) -> Judgement:
    """What the model says of a sentence."""
    kinds, weights = _learned()
    totals = list(weights[""])
    for feature in features(sentence):
        for place, weight in enumerate(weights.get(feature, ())):
            totals[place] += weight
    best = max(range(1, len(totals)), key=totals.__getitem__)
    return Judgement(totals[0], kinds[best - 1])


@cache
def _learned() -> tuple[list[str], dict[str, list[float]]]:
    """The classes; and by feature its weight for being kept and for each class, "" for what every sentence has."""
    learned = json.loads(WEIGHTS.read_text("utf-8"))
    return learned["kinds"], learned["weights"]
