"""How text becomes words: one place, shared by the index, queries, similarity and conflicts.

Everything beyond ASCII is folded here, not by the index: its unicode61 knows neither ß nor final sigma, splits words
at vowel signs, and would then miss what a query folded otherwise. The index only lowers ASCII and stems English.
Scripts written without spaces are split into overlapping pairs of characters, so that 東京 is found in 東京タワー:
unicode61 alone would index the whole run as one word.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from unicodedata import category, normalize

# Han, kana, Hangul, Thai, Lao, Khmer, Myanmar: runs without reliable spaces.
_RUN = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_WORD = re.compile(r"[^\W_]+")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_VOICED = "\u3099\u309a"  # が is not か with an accent

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
    """`text` as the index stores it: folded beyond ASCII, unsegmented runs as overlapping pairs.

    A run's last character is added alone, so that a one-character query finds it as a whole word or as a prefix.
    """
    return segmented(text).casefold() if not text.isascii() else text


def segmented(text: str) -> str:
    """`text` like `searchable`, but with capitals left as they are."""
    return _with_pairs(text, lambda run: [*_pairs(run), run[-1:]])


def _with_pairs(text: str, split: Callable[[str], list[str]]) -> str:
    if text.isascii():
        return text
    return _RUN.sub(lambda match: f" {' '.join(split(match.group()))} ", _without_marks(text))


def _without_marks(text: str) -> str:
    """Compatibility forms made plain, accents and vowel signs removed, what is no letter or digit a space."""
    return normalize("NFKC", _NOT_ASCII.sub(_bare, normalize("NFKD", text)))


def _bare(match: re.Match[str]) -> str:
    char = match.group()
    if char.isalnum() or char in _VOICED:
        return char
    return "" if category(char) in ("Mn", "Mc", "Me", "Cf") else " "


def _pairs(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)]


def plain(text: str) -> str:
    """`text` without case and accents, as the index compares it."""
    return text.lower() if text.isascii() else _without_marks(text).casefold()


@lru_cache(maxsize=20_000)
def fold(word: str) -> str:
    """`plain` for words, which come again."""
    return plain(word)


def words(text: str) -> list[str]:
    """The folded words of `text`, in order, unsegmented runs as pairs."""
    if text.isascii():
        return _WORD.findall(text.lower())
    return [fold(word) for word in _WORD.findall(searchable(text))]


def content_words(text: str) -> list[str]:
    """The distinct words of a query that carry meaning, in order; all of them when it has only stop words."""
    if text.isascii():
        asked = _WORD.findall(text.lower())
    else:
        asked = [fold(word) for word in _WORD.findall(_with_pairs(text, lambda run: _pairs(run) or [run]))]
    distinct = list(dict.fromkeys(asked))
    return [word for word in distinct if word not in STOP_WORDS] or distinct


def folded(text: str) -> str:
    """Case, space and punctuation removed: two texts that are equal after this say the same.

    Digits that were apart stay apart (1.5 is not 15), and symbols count (👍 is not 👎).
    """
    plain = normalize("NFKC", text).casefold().translate(_SPACED)
    return _SPACE.sub("", " ".join(plain.split()))


class _Spaced(dict[int, str]):
    """A translation of every character but letters, marks, numbers and symbols to a space."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        return self.setdefault(code, char if category(char)[0] in "LMNS" else " ")


_SPACED = _Spaced()
_SPACE = re.compile(r"(?<!\d) | (?!\d)")


def estimate_tokens(text: str) -> int:
    """About how many language-model tokens `text` takes: four characters each, one per unsegmented character."""
    unsegmented = sum(len(run) for run in _RUN.findall(text)) if not text.isascii() else 0
    return max(1, unsegmented + -(-(len(text) - unsegmented) // 4))
