"""Made-up chat messages whose statistics are those of real ones: word frequencies, lengths, and questions about them.

Lengths and frequencies follow a public set of conversations between friends: 10, 22 and 42 words a message at the
10th, 50th and 90th percentile, a little less than half of them content words, the commonest content word in about
one message of six, and questions of 3 to 8 content words. Vocabulary: Zipf's law with Mandelbrot's shift
(Mandelbrot 1953). The same seed gives the same messages.
"""

import random
from collections.abc import Iterator
from itertools import accumulate

from appliance.text import STOP_WORDS, content_words

_VOCABULARY = 30_000
_SHIFT = 8.0
_CONTENT_SHARE = 0.45
_MEDIAN_WORDS, _SPREAD = 22, 0.55  # of a log-normal
_FEWEST, _MOST = 3, 200
_ONSETS = "b bl br c ch cl cr d dr f fl fr g gr h j k l m n p pl pr r s sh sl st str t th tr v w".split()
_VOWELS = "a e i o u ai ea oo ou".split()
_CODAS = "b ck d g l ll m n nd ng nt p r rd s st t x".split() + [""] * 6


class Chat:
    """An endless conversation; each instance with the same `seed` says the same."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)  # noqa: S311 - reproducible, nothing secret
        self._content = _made_up_words(random.Random(0))  # noqa: S311 - the same words in every run
        self._content_weights = list(accumulate(1 / (rank + _SHIFT) for rank in range(1, _VOCABULARY + 1)))
        self._common = sorted(STOP_WORDS)
        self._random.shuffle(self._common)
        self._common_weights = list(accumulate(1 / rank for rank in range(1, len(self._common) + 1)))

    def messages(self, count: int) -> Iterator[str]:
        """The next `count` messages."""
        return (self._message() for _ in range(count))

    def question(self, text: str) -> str:
        """Words somebody who half remembers the message `text` might ask with: 3 to 8 of its content words."""
        asked = content_words(text)
        count = min(len(asked), self._random.choices((3, 4, 5, 6, 7, 8), (2, 3, 4, 3, 2, 1))[0])
        return " ".join(self._random.sample(asked, count))

    def _message(self) -> str:
        length = round(_MEDIAN_WORDS * self._random.lognormvariate(0, _SPREAD))
        length = min(max(length, _FEWEST), _MOST)
        content = sum(self._random.random() < _CONTENT_SHARE for _ in range(length)) or 1
        said = self._random.choices(self._content, cum_weights=self._content_weights, k=content)
        said += self._random.choices(self._common, cum_weights=self._common_weights, k=length - content)
        self._random.shuffle(said)
        return " ".join(said).capitalize() + "."


def _made_up_words(source: random.Random) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < _VOCABULARY:
        syllables = source.choices((1, 2, 3), (1, 4, 2))[0]
        word = "".join(
            source.choice(_ONSETS) + source.choice(_VOWELS) + source.choice(_CODAS) for _ in range(syllables)
        )
        if word not in STOP_WORDS:
            found[word] = None
    return list(found)
