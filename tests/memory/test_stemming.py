"""Stems of query and text words, made by several requests at once."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest
from snowballstemmer import stemmer

from appliance.memory.lexical import stem

WORDS = ["".join(parts) for parts in product("bdfglmnprst", "aeiou", "bdlmnrst", ["ing", "ed", "ational", "iveness"])]


@pytest.fixture
def eager_threads() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("eager_threads")
def test_threads_do_not_mix_their_words_up() -> None:
    stem.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        # Each thread its own words, so that none finds another's work done.
        quarters = pool.map(lambda start: [stem(word) for word in WORDS[start::4]], range(4))
    alone = stemmer("porter")
    assert list(quarters) == [[alone.stemWord(word) for word in WORDS[start::4]] for start in range(4)]


@pytest.mark.parametrize("word", ["go", "as", "東京", "a"])
def test_two_letters_stay_as_they_are(word: str) -> None:
    assert stem(word) == word
