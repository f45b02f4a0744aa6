"""Stems of query and text words, made by several requests at once; and how often a text has them."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest
from snowballstemmer import stemmer

from appliance.memory.lexical import Wanted, stem
from appliance.text import searchable

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


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("Smart marts: my_mart, mart's; MARTS. A café by the mart!", {"mart": 5}),
        ("Smart marts: my_mart, mart's; MARTS. A cafe by the mart!", {"mart": 5}),
        ("running to run, he ran; rerun", {"run": 2}),
        ("東京へ行く", {"東": 1}),
    ],
)
def test_a_words_forms_are_counted_wherever_it_begins(text: str, counts: dict[str, int]) -> None:
    found = Wanted(["mart", "run", "東"]).occurrences(searchable(text))
    assert found.counts == counts
    assert found.length == len(searchable(text))
