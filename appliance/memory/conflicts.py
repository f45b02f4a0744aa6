"""Which returned items contradict each other: one negates the other, or both give another value for one subject.

Two items speak of one subject when most of the words of the shorter one, values aside, are in the other too. The
answer is a hint for a reader, so it errs towards naming a pair (contract memory-api, Recall).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from appliance.memory.lexical import stem
from appliance.text import STOP_WORDS, fold, segmented

_SAME_SUBJECT = 0.6
_NEGATIONS = frozenset("not no never cannot nor without neither none nobody nothing stop avoid forbidden".split())
_CONTRACTED = re.compile(
    r"\b(?:do|does|did|is|are|was|were|has|have|had|ca|wo|would|should|could|must|need)n['’]t\b", re.I
)
_DAYS = frozenset("monday tuesday wednesday thursday friday saturday sunday today tomorrow yesterday".split())
_MONTHS = frozenset("january february march april may june july august september october november december".split())
_TOKEN = re.compile(
    r"(?P<time>\b\d{1,2}:\d{2}(?::\d{2})?\s*(?:[ap]m\b)?|\b\d{1,2}\s*[ap]m\b)"
    r"|(?P<day>\b\d{4}-\d{2}-\d{2}\b)"
    r"|(?P<version>\bv\d+(?:\.\d+)*\b|\b\d+\.\d+(?:\.\d+)+\b)"
    r"|(?P<number>\b\d+(?:[.,]\d+)*\b)"
    r"|(?P<word>[^\W\d_]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """What an item says, taken apart: its subject's words, its values by kind, and whether it denies."""

    subject: frozenset[str]
    values: dict[str, frozenset[str]]
    negated: bool


def claim(text: str) -> Claim:
    """Take a text apart."""
    subject: set[str] = set()
    values: dict[str, set[str]] = {}
    negated = _CONTRACTED.search(text) is not None
    for match in _TOKEN.finditer(segmented(_CONTRACTED.sub(" ", text))):
        kind, token = match.lastgroup or "word", match.group()
        word = fold(token)
        if kind == "word":
            if word in _NEGATIONS:
                negated = True
                continue
            if word in STOP_WORDS:
                continue
            kind = _kind_of_word(token, word)
        if kind == "word":
            subject.add(stem(word))
        else:
            values.setdefault(kind, set()).add("".join(word.split()))
    return Claim(frozenset(subject), {kind: frozenset(found) for kind, found in values.items()}, negated)


def _kind_of_word(token: str, word: str) -> str:
    if word in _DAYS or (word in _MONTHS and token[0].isupper()):
        return "day"
    return "name" if token[0].isupper() else "word"


def contradicts(one: Claim, other: Claim) -> bool:
    """Whether both speak of one subject and cannot both hold."""
    # A word that only one of them writes as a name ("Deploy on Friday", "the deploy is on Monday") is subject.
    names, other_names = _names(one), _names(other)
    subject = one.subject | {stem(name) for name in names & other_names | _lowercase(names, other)}
    theirs = other.subject | {stem(name) for name in names & other_names | _lowercase(other_names, one)}
    smaller = min(len(subject), len(theirs))
    if smaller == 0 or len(subject & theirs) / smaller < _SAME_SUBJECT:
        return False
    if one.negated != other.negated:
        return True
    return any(_differ(kind, one, other) for kind in one.values.keys() & other.values.keys())


def _names(of: Claim) -> frozenset[str]:
    return of.values.get("name", frozenset())


def _lowercase(names: frozenset[str], other: Claim) -> frozenset[str]:
    return frozenset(name for name in names if stem(name) in other.subject)


def _differ(kind: str, one: Claim, other: Claim) -> bool:
    mine, theirs = one.values[kind], other.values[kind]
    if kind == "name":
        mine, theirs = mine - _lowercase(mine, other), theirs - _lowercase(theirs, one)
    return bool(mine - theirs) and bool(theirs - mine)


def conflicts(items: Sequence[tuple[str, str]]) -> list[str]:
    """`possible_conflict:<id>:<id>` for each contradicting pair of (memory id, text), in the items' order."""
    claims = [(memory_id, claim(text)) for memory_id, text in items]
    return [
        f"possible_conflict:{one_id}:{other_id}"
        for (one_id, one), (other_id, other) in combinations(claims, 2)
        if contradicts(one, other)
    ]
