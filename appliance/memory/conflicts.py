"""Which returned items contradict each other: one negates the other, or both give another value for one subject.

Two items speak of one subject when most of the words of the shorter one, values aside, are in the other too. The
answer is a hint for a reader, so it errs towards naming a pair (contract memory-api, Recall).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from appliance.memory.lexical import stem
from appliance.text import STOP_WORDS, fold, segmented

_SAME_SUBJECT = 0.6
_NEGATIONS = frozenset("not no never cannot nor without neither none nobody nothing stop avoid forbidden".split())
_CONTRACTED = re.compile(
    r"\b(?:do|does|did|is|are|was|were|has|have|had|ca|wo|would|should|could|must|need)n['’]t\b", re.I
)
_SHORT_NOT = re.compile("[nN]['’][tT]")  # looked for first: it is in every one of these, and found faster
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
_NO_VALUES = {"", "negation", "word"}
_DIGIT, _WORD = re.compile(r"\d"), re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Claim:
    """What an item says, taken apart: its subject's words, its values by kind, and whether it denies.

    `words` are the stems of its subject and its names.
    """

    subject: frozenset[str]
    values: dict[str, frozenset[str]]
    negated: bool
    words: frozenset[str]


def claim(text: str) -> Claim:
    """Take a text apart."""
    found: dict[str, set[str]] = {}
    negated = _SHORT_NOT.search(text) is not None and _CONTRACTED.search(text) is not None
    for kind, value in _tokens(segmented(_CONTRACTED.sub(" ", text) if negated else text)):
        found.setdefault(kind, set()).add(value)
    negated |= "negation" in found
    subject = found.get("word", set())
    named = map(stem, found.get("name", ()))
    values = {kind: frozenset(found[kind]) for kind in found.keys() - _NO_VALUES}
    return Claim(frozenset(subject), values, negated, frozenset(subject.union(named)))


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """The kind and value of each word, time and number; where there is no digit, there are only words."""
    if not _DIGIT.search(text):
        return map(_word, _WORD.findall(text))
    return (
        _word(match.group())
        if match.lastgroup == "word"
        else (str(match.lastgroup), "".join(fold(match.group()).split()))
        for match in _TOKEN.finditer(text)
    )


@lru_cache(maxsize=10_000)
def _word(token: str) -> tuple[str, str]:
    """What kind of word it is, and its value: the stem of one that is subject."""
    word = fold(token)
    if word in _NEGATIONS:
        return "negation", ""
    if word in STOP_WORDS:
        return "", ""
    if word in _DAYS or (word in _MONTHS and token[0].isupper()):
        return "day", word
    return ("name", word) if token[0].isupper() else ("word", stem(word))


def contradicts(one: Claim, other: Claim) -> bool:
    """Whether both speak of one subject and cannot both hold."""
    # Nothing else is ever part of both subjects, and neither is smaller than this: most pairs need no closer look.
    if len(one.words & other.words) < _SAME_SUBJECT * min(len(one.subject), len(other.subject)):
        return False
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
