"""How well a text has a question's words: stems and BM25 (Robertson and Zaragoza 2009).

It is computed over the candidates alone. The store's own statistics count every tenant's rows, so an order made from
them would let one caller learn which words another's items hold.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from threading import Lock
from typing import Any, NamedTuple

from appliance.text import words

_K1, _B = 1.0, 0.5  # fitted on conversations (docs/benchmarks.md)
_ASKING = 0.3  # of its weight is left to a word that says how to answer rather than about what
_ASKING_WORDS = frozenset(
    """across ask asked aspects bring brought comprehensive conversation conversations could describe different
    discussed discussion discussions ever explain give given help item items kind know like list long many mention
    mentioned much often order provide recommend said say show sort specific suggest summarize summary tell
    throughout told type use used using various walk want would""".split()
)
_stemming = Lock()  # the stemmer keeps the word it works on in itself


@lru_cache(maxsize=10_000)
def stem(word: str) -> str:
    """A folded word's stem, by the algorithm of the full-text index (Porter 1980); it begins as the word does."""
    if len(word) < 3:  # so does the index
        return word
    with _stemming:
        stemmed: str = _porter().stemWord(word)
    return stemmed


@cache
def _porter() -> Any:
    from snowballstemmer import stemmer  # brings every language along: two megabytes that a box needs only to recall

    return stemmer("porter")


class Occurrences(NamedTuple):
    """How often a text has each of the wanted stems that it has, and how many characters it has."""

    counts: Mapping[str, int]
    length: int


class Wanted:
    """The stems of a question's words, looked for in many texts."""

    def __init__(self, stems: Iterable[str]) -> None:
        self._term_of = _Terms(frozenset(stems))
        self._words = _words_beginning(frozenset(term[: max(1, min(3, len(term) - 1))] for term in self._term_of.stems))
        # A query of one unsegmented character matches pairs that begin with it.
        self._singles = [term for term in self._term_of.stems if len(term) == 1 and not term.isascii()]

    def occurrences(self, search_text: str) -> Occurrences:
        """Count them in an item's `search_text`."""
        found = self._words.findall(search_text.lower()) if search_text.isascii() else words(search_text)
        counts: dict[str, int] = {}
        for term in map(self._term_of.__getitem__, found):
            if term:
                counts[term] = counts.get(term, 0) + 1
        for single in self._singles:
            if longer := sum(term.startswith(single) for term in map(stem, found) if term != single):
                counts[single] = counts.get(single, 0) + longer
        return Occurrences(counts, len(search_text))


class _Terms(dict[str, str]):
    """The wanted stem of each word, looked up once for all texts; empty for a word that has none of them."""

    def __init__(self, stems: frozenset[str]) -> None:
        super().__init__()
        self.stems = stems

    def __missing__(self, word: str) -> str:
        term = stem(word)
        return self.setdefault(word, term if term in self.stems else "")


@lru_cache(maxsize=64)
def _words_beginning(beginnings: frozenset[str]) -> re.Pattern[str]:
    """The words of lowered ASCII that begin so: looking at every word is slow.

    That no word goes on before it is asked after the beginning: so a search leaps from one first letter to the next.
    """
    each = (f"{re.escape(beginning)}(?<![a-z0-9]{re.escape(beginning)})" for beginning in sorted(beginnings))
    return re.compile(rf"(?:{'|'.join(each)})[a-z0-9]*")


def bm25(wanted: Mapping[str, str], found: Sequence[Occurrences]) -> tuple[list[float], list[float]]:
    """Each text's BM25 for the wanted words (by their stems), and the share of these words' rarity it has, 0 to 1."""
    having = [each for each in found if each.counts]
    if not having or not wanted:
        return [0.0] * len(found), [0.0] * len(found)
    mean_length = sum(each.length for each in having) / len(having)
    among = Counter(term for each in having for term in each.counts)
    store = 2 * len(having)  # candidates have more of the query's words than the store they come from
    rarity = {
        term: math.log(1 + (store - among[term] + 0.5) / (among[term] + 0.5))
        * (_ASKING if word in _ASKING_WORDS else 1)
        for term, word in wanted.items()
    }
    whole = sum(rarity.values())

    def weight(each: Occurrences) -> float:
        damping = _K1 * (1 - _B + _B * each.length / mean_length)
        return sum(rarity[term] * count * (_K1 + 1) / (count + damping) for term, count in each.counts.items())

    return [weight(each) for each in found], [sum(map(rarity.__getitem__, each.counts)) / whole for each in found]
