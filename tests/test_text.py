"""Words and tokens of texts in any script (how the index sees them: tests/storage/test_full_text.py)."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.text import content_words, estimate_tokens, fold, folded, searchable, segmented, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Quick-brown fox's 2nd_jump!", ["the", "quick", "brown", "fox", "s", "2nd", "jump"]),
        ("Café CRÈME", ["cafe", "creme"]),
        ("Straße", ["strasse"]),
        ("ΣΟΦΌΣ", ["σοφοσ"]),
        ("ёлка", ["елка"]),
        ("東京都", ["東京", "京都", "都"]),
        ("x東y", ["x", "東", "y"]),
        ("한국어", ["한국", "국어", "어"]),
        ("ｆｕｌｌ ｗｉｄｔｈ", ["full", "width"]),
        ("ﬁne x²", ["fine", "x2"]),
        ("soft\u00adhyphen zero\u200bwidth", ["softhyphen", "zerowidth"]),
        ("שָׁלוֹם", ["שלום"]),
        ("", []),
        ("—!?…_", []),
    ],
)
def test_the_words_of_a_text(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_a_queries_words_are_the_distinct_meaningful_ones_in_order() -> None:
    assert content_words("When does the gate open, and does the Gate close?") == ["gate", "open", "close"]
    assert content_words("東京都") == ["東京", "京都"]
    assert content_words("東") == ["東"]


def test_a_query_of_stop_words_alone_keeps_them() -> None:
    assert content_words("To be or not to be") == ["to", "be", "or", "not"]


@given(st.text(max_size=80))
@example("가\u0345ß")
@example("ẞſŉǰΐ")
@example("\u3099か\u3099")
def test_folding_again_changes_nothing(text: str) -> None:
    assert [fold(word) for word in words(text)] == words(text)
    # Ranking splits what the index stores once more: pairs of pairs are the same pairs and their characters.
    assert set(words(text)) <= set(words(searchable(text)))


@given(st.text(max_size=80))
def test_a_texts_own_words_are_among_the_indexed_ones(text: str) -> None:
    assert set(content_words(text)) <= set(words(searchable(text)))


@given(st.text(max_size=80))
def test_what_is_searchable_keeps_every_ascii_text_and_loses_no_letter_case_before_it_is_asked_to(text: str) -> None:
    if text.isascii():
        assert searchable(text) == segmented(text) == text
    assert searchable(text).casefold() == segmented(text).casefold()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Deploy on Friday!", "deploy  on\tfriday"),
        ("e-mail (new)", "Email: new."),
        ("Straße", "STRASSE"),
        ("ﬁne", "fine"),
        ("東京。", "東京"),
        ("1, 2 and 3", "1 2 and 3!"),
    ],
)
def test_case_space_and_punctuation_make_no_difference(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1.5", "15"), ("👍", "👎"), ("résumé", "resume"), ("C++", "C"), ("5 €", "5 $"), ("हिन्दी", "हन्द"), ("a<b", "a>b")],
)
def test_letters_numbers_marks_and_symbols_do(one: str, other: str) -> None:
    assert folded(one) != folded(other)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 1), ("a", 1), ("abcd", 1), ("abcde", 2), ("x" * 400, 100), ("東京都庁", 4), ("東京 abcd", 4), ("한국어", 3)],
)
def test_tokens_count_four_letters_or_one_unsegmented_character(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


@given(st.text(max_size=200), st.text(max_size=200))
def test_more_text_is_never_fewer_tokens(one: str, other: str) -> None:
    assert max(estimate_tokens(one), estimate_tokens(other)) <= estimate_tokens(one + other)
    assert estimate_tokens(one + other) <= estimate_tokens(one) + estimate_tokens(other)
