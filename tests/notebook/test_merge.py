"""Two changes of one text come together without losing a line of either."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from appliance.notebook.merge import has_conflict, merge

LINES = st.lists(st.sampled_from([f"line {number}" for number in range(8)]), max_size=8)
NAMES = ("mine", "theirs")


def text_of(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def added(base: str, text: str) -> Counter[str]:
    return Counter(text.split("\n")) - Counter(base.split("\n"))


@given(LINES, LINES, LINES)
def test_no_line_that_either_side_added_is_lost(base: list[str], mine: list[str], theirs: list[str]) -> None:
    merged = merge(text_of(base), text_of(mine), text_of(theirs), NAMES)
    present = Counter(merged.text.split("\n"))
    for side in (mine, theirs):
        assert set(added(text_of(base), text_of(side))) <= set(present)


@given(LINES, LINES)
def test_a_side_that_changed_nothing_takes_the_other(base: list[str], theirs: list[str]) -> None:
    assert merge(text_of(base), text_of(base), text_of(theirs), NAMES).text == text_of(theirs)
    assert merge(text_of(base), text_of(theirs), text_of(base), NAMES).text == text_of(theirs)


def test_changes_in_different_places_are_both_taken() -> None:
    merged = merge("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n", NAMES)
    assert (merged.text, merged.clean) == ("A\nb\nC\n", True)


def test_changes_of_the_same_line_show_both_sides_and_nothing_they_share() -> None:
    merged = merge("x\n", "same\nmine\n", "same\ntheirs\n", NAMES)
    assert not merged.clean
    assert merged.text == "same\n<<<<<<< mine\nmine\n=======\ntheirs\n>>>>>>> theirs\n"
    assert has_conflict(merged.text)


def test_two_entries_at_the_end_of_a_journal_are_both_kept() -> None:
    merged = merge("a\n", "a\nmine\n", "a\ntheirs\n", NAMES, keep_both=True)
    assert (merged.text, merged.clean) == ("a\nmine\ntheirs\n", True)


def test_a_text_about_conflicts_holds_none() -> None:
    assert not has_conflict("<<<<<<< is how a conflict begins\n")
