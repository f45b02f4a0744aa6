"""How text becomes words: one place, shared by the index, queries, similarity and conflicts.

The full-text index splits on everything that is not a letter or digit, folds case and accents, and stems English.
Scripts written without spaces are split here into overlapping pairs of characters, so that 東京 is found in
東京タワー: unicode61 alone would index the whole run as one word.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from unicodedata import category, combining, normalize

# Han, kana, Hangul, Thai, Lao, Khmer, Myanmar: runs without reliable spaces.
_RUN = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_WORD = re.compile(r"[^\W_]+")

STOP_WORDS = frozenset(
    """a about above after again against all also am an and any are aren as at be because been before being below
    between both but by can could couldn d did didn do does doesn doing don down during each few for from further had
    hadn has hasn have haven having he her here hers herself him himself his how i if in into is isn it its itself
    just ll m me mightn more most mustn my myself no nor not now o of off on once only or other our ours ourselves
    out over own re s same shan she should shouldn so some such t tell than that the their theirs them themselves
    then there these they this those through to too under until up us ve very was wasn we were weren what when where
    which while who whom why will with won would wouldn y you your yours yourself yourselves""".split()
)


def searchable(text: str) -> str:
    """`text` as the index stores it: compatibility forms folded, unsegmented runs as overlapping pairs.

    A run's last character is added alone, so that a one-character query finds it as a whole word or as a prefix.
    """
    return _with_pairs(text, lambda run: [*_pairs(run), run[-1:]])


def _with_pairs(text: str, split: Callable[[str], list[str]]) -> str:
    if text.isascii():
        return text
    return _RUN.sub(lambda match: f" {' '.join(split(_without_marks(match.group())))} ", normalize("NFKC", text))


def _without_marks(run: str) -> str:
    return "".join(char for char in run if not category(char).startswith("M"))


def _pairs(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)]


@lru_cache(maxsize=20_000)
def fold(word: str) -> str:
    """`word` without case and accents, as the index compares it."""
    if word.isascii():
        return word.lower()
    decomposed = normalize("NFKD", word.casefold())
    return "".join(char for char in decomposed if not combining(char))


def words(text: str) -> list[str]:
    """The folded words of `text`, in order, unsegmented runs as pairs."""
    return [fold(word) for word in _WORD.findall(searchable(text))]


def content_words(text: str) -> list[str]:
    """The distinct words of a query that carry meaning, in order; all of them when it has only stop words."""
    asked = _with_pairs(text, lambda run: _pairs(run) or [run])
    distinct = list(dict.fromkeys(fold(word) for word in _WORD.findall(asked)))
    return [word for word in distinct if word not in STOP_WORDS] or distinct


def folded(text: str) -> str:
    """Case, space and punctuation removed: two texts that are equal after this say the same."""
    return "".join(fold(word) for word in _WORD.findall(normalize("NFKC", text)))


def estimate_tokens(text: str) -> int:
    """About how many language-model tokens `text` takes: four characters each, one per unsegmented character."""
    unsegmented = sum(len(run) for run in _RUN.findall(text)) if not text.isascii() else 0
    return max(1, unsegmented + -(-(len(text) - unsegmented) // 4))
