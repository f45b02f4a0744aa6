"""A chain of versions gives back every text."""

import random

from hypothesis import given
from hypothesis import strategies as st

from appliance.notebook import deltas

TEXTS = st.lists(st.text(alphabet="ab\ncé🦊", max_size=12).map(lambda text: text + "\n" if text else ""), max_size=12)


def encoded(texts: list[str]) -> list[tuple[bool, bytes]]:
    chain = size = 0
    previous: str | None = None
    stored = []
    for text in texts:
        is_full, body = deltas.encode(previous, text, chain, size)
        chain, size = (0, 0) if is_full else (chain + 1, size + len(body))
        stored.append((is_full, body))
        previous = text
    return stored


def decoded(stored: list[tuple[bool, bytes]]) -> list[str]:
    texts: list[str] = []
    for is_full, body in stored:
        texts.append(deltas.apply(texts[-1] if texts else None, is_full, body))
    return texts


@given(TEXTS)
def test_every_version_of_a_chain_reads_as_it_was(texts: list[str]) -> None:
    assert decoded(encoded(texts)) == texts


@given(st.text(alphabet="a\nb", max_size=20), st.text(alphabet="a\nb", max_size=20))
def test_a_delta_alone_turns_the_old_text_into_the_new(old: str, new: str) -> None:
    assert deltas.apply(old, False, deltas.delta(old, new)) == new


@given(
    st.lists(st.sampled_from(["a", "b", "ab", ""]), max_size=8),
    st.lists(st.sampled_from(["a", "b", "ab", ""]), max_size=8),
)
def test_what_two_texts_share_is_whole_lines(old: list[str], new: list[str]) -> None:
    before, after = "".join(f"{line}\n" for line in old), "".join(f"{line}\n" for line in new)
    same = deltas.shared(before, after)
    assert before[: same.prefix] == after[: same.prefix]
    assert before[len(before) - same.suffix :] == after[len(after) - same.suffix :]
    for text in (before, after):
        assert same.middle(text) == "" or same.middle(text).endswith("\n")
        assert same.prefix == 0 or text[same.prefix - 1] == "\n"


def test_lines_put_in_the_middle_cost_only_themselves() -> None:
    old = "".join(f"line {number}\n" for number in range(1000))
    new = old.replace("line 500\n", "line 500\nand another\n")
    assert deltas.shared(old, new).middle(new) == "and another\n"


def test_a_thousand_notes_take_little_more_than_their_text() -> None:
    chance = random.Random(1)
    texts, text = [], ""
    for number in range(1000):
        text += f"note {number} says {chance.random()}\n"
        texts.append(text)
    stored = encoded(texts)
    assert decoded(stored) == texts
    assert sum(len(body) for _, body in stored) < 4 * len(text)


def test_no_version_is_more_than_two_hundred_deltas_away_from_a_whole_one() -> None:
    base = "x" * 100_000 + "\n"
    texts = [base + f"{number}\n" for number in range(450)]
    wholes = [number for number, (is_full, _) in enumerate(encoded(texts)) if is_full]
    assert wholes == [0, 201, 402]
