"""Whether a sentence forbids, demands or permits, and whether another turns that around.

Contract notebook, Refresh: "Never X" answered by "X is fine" is a reversal. It is told by words, of English, German,
French and Spanish. Nothing is kept or lost by this judgement: a constraint whose words it does not understand is kept
word for word all the same (`constraints`), only what turns it around is then shown to a person instead of refused.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from appliance.text import STOP_WORDS, words

_NEGATORS = frozenset(
    """never no not nor none nothing nobody avoid refuse refused reject forbid forbids forbidden prohibit prohibited ban
    bans banned disallow disallowed stop cease prevent refrain skip skipping forget forgets fail fails failing neglect
    omit miss hesitate bypass circumvent
    nie niemals nicht kein keine keinen keinem keiner nichts verboten untersagt vermeide vermeiden
    jamais pas aucun aucune interdit interdite eviter evite
    nunca jamas ningun ninguna prohibido prohibida evitar evita""".split()
)
_PERMITS = frozenset(
    """fine ok okay okey alright allow allows allowed permit permits permitted permissible acceptable welcome encouraged
    may can might
    erlaubt gestattet darf durfen kann konnen zulassig permis permise autorise peut permitido permitida puede""".split()
)
_DEMANDS = frozenset(
    """always must should shall ensure
    immer muss mussen soll sollen toujours doit siempre debe""".split()
)
_LIFTS = frozenset(
    """nolonger lifted obsolete outdated former formerly waived suspended relaxed revoked repealed deprecated abolished
    dropped removed retired expired cancelled void
    optional unnecessary superfluous ignore disregard overrule overruled override overridden exempt
    aufgehoben hinfallig uberholt ehemalige leve facultatif obsolete anulado opcional obsoleto""".split()
)
_PHRASES = [
    (re.compile(r"n['\u2019]t\b"), " not"),
    (re.compile(r"\bcannot\b"), "can not"),
    (re.compile(r"\b(?:no|not any|any) longer\b|\bnicht mehr\b|\bne \w+ plus\b|\bya no\b"), " nolonger "),
    (re.compile(r"\b(?:no|not a|without) (?:problem|issue|objections?)\b"), " fine "),
    (re.compile(r"\b(?:no|without) exceptions?\b|\bor not\b|\bnot only\b"), " "),
    (
        re.compile(r"\b(?:do(?:es)? not|need not|not|no) (?:have to|need(?:ed)?(?: to)?|required|necessary)\b"),
        " optional ",
    ),
    (re.compile(r"\bneed not\b"), " optional "),
    (re.compile(r"\b(?:ha(?:ve|s)|needs?) to\b|\b(?:is|are) (?:required|necessary)\b"), " must "),
]
_SUBORDINATE = re.compile(r"\b(?:if|unless|when|whenever|while|until|except|because|since|although|though)\b")
_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+|\n(?=\s*[A-Z])")
_MONTH = re.compile(r"(?<=\S\s)May\b|\bMay\b(?=,? \d)")
_SUFFIXES = ("ing", "ed", "es", "s", "ion", "ment")


@dataclass(frozen=True)
class Stance:
    """What a sentence is about (`subject`, stems), and how it stands to that.

    `first` is the first word of the subject, `order` the same where the sentence begins with it, as an order does, and
    `past` what of the subject is told as done.
    """

    subject: frozenset[str]
    first: str
    order: str
    past: frozenset[str]
    is_negated: bool
    permits: bool
    is_explicit: bool
    lifts: frozenset[str]

    def shares(self, other: "Stance") -> float:
        """How much of this sentence's subject the other is about too, 0 to 1."""
        return len(self.subject & other.subject) / len(self.subject) if self.subject else 0.0

    def is_turned_by(self, other: "Stance") -> bool:
        """Whether the other, said of the same, says the opposite or takes this back."""
        if other.lifts - self.lifts or self.is_negated != other.is_negated:
            return True
        return not self.is_negated and other.permits and not self.permits

    def is_ordered_by(self, other: "Stance") -> bool:
        """Whether the other is a rule of its own, and no mere report of something done."""
        if other.lifts:
            return True
        return self.first not in other.past and (other.is_explicit or other.order in self.subject)


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph or a list's item."""
    return [part.strip() for part in _SENTENCE_END.split(text) if part.strip()]


@lru_cache(maxsize=4096)
def stance_of(sentence: str) -> Stance:
    """How a sentence stands to what it is about."""
    plain = _MONTH.sub("month", sentence).casefold()
    for phrase, meaning in _PHRASES:
        plain = phrase.sub(meaning, plain)
    said = words(plain)
    ruling = words(_main_clause(plain))
    about = [_stem(word) for word in said if not _is_grammar(word)]
    begins = _stem(said[0]) if said else ""
    return Stance(
        subject=frozenset(about),
        first=about[0] if about else "",
        order=begins if begins in about and begins in (said[0], said[0].removesuffix("e")) else "",
        past=frozenset(_stem(word) for word in said if word.endswith("ed")),
        is_negated=sum(word in _NEGATORS for word in ruling) % 2 == 1,
        permits=any(word in _PERMITS for word in said),
        is_explicit=any(word in _PERMITS or word in _DEMANDS or word == "never" for word in said)
        or (bool(said) and said[0] in ("do", "no", "not", "stop", "avoid")),
        lifts=frozenset(word for word in said if word in _LIFTS),
    )


def _main_clause(plain: str) -> str:
    """The sentence without what only says when it holds: that may be negated for itself."""
    found = _SUBORDINATE.search(plain)
    if found is None:
        return plain
    if plain[: found.start()].strip():
        return plain[: found.start()]
    return plain.partition(",")[2] or plain


def _is_grammar(word: str) -> bool:
    return word == "without" or any(word in group for group in (STOP_WORDS, _NEGATORS, _PERMITS, _DEMANDS, _LIFTS))


def _stem(word: str) -> str:
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 2:
            word = word.removesuffix(suffix)
            break
    word = word.removesuffix("e")
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    return f"{word[:-1]}i" if word.endswith("y") else word
