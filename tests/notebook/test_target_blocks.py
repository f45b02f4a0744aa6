"""Managed blocks: whatever a person has around one, they have it back byte for byte."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.errors import ConflictError, InvalidError
from appliance.managed_block import State, block_hash, found, placed, taken_out

MEMORY = "# Memory\n\n- Never deploy on Friday.\n"
_LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\r\n\r\n"])
_WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
_TEXTS = st.lists(st.one_of(_WORDS, _LINE_ENDS, st.just("<!-- a comment -->")), max_size=12).map("".join)
USERS_OWN = st.builds(lambda bom, text: bom + text.encode(), st.sampled_from([b"", b"\xef\xbb\xbf"]), _TEXTS)
MEMORIES = _TEXTS.map(lambda text: text.replace("\r", "\n"))


@given(USERS_OWN, MEMORIES)
@example(b"no end of line", MEMORY)
@example(b"one\r\ntwo\r\n", MEMORY)
@example(b"one\r\ntwo", MEMORY)
@example(b"one\r\ntwo\r", MEMORY)
@example(b"\xef\xbb\xbf", "")
def test_taking_the_block_out_gives_back_what_was_there(content: bytes, memory: str) -> None:
    assert taken_out(placed(content, memory)) == content


@given(USERS_OWN, USERS_OWN, MEMORIES, MEMORIES)
def test_bringing_a_block_up_to_date_touches_nothing_else(before: bytes, after: bytes, old: str, memory: str) -> None:
    begun = placed(before if not before or before.endswith(b"\n") else before + b"\n", old)
    content = begun + after
    block = found(content)
    assert block is not None
    changed = placed(content, memory)
    again = found(changed)
    assert again is not None
    assert changed[: again.start] == content[: block.start]
    assert changed[again.end :] == content[block.end :]
    assert again.hash == again.named == block_hash(memory)


@given(USERS_OWN, MEMORIES)
def test_doing_it_twice_changes_nothing(content: bytes, memory: str) -> None:
    once = placed(content, memory)
    assert placed(once, memory) == once


@given(USERS_OWN, MEMORIES)
def test_a_placed_block_is_current(content: bytes, memory: str) -> None:
    block = found(placed(content, memory))
    assert block is not None
    assert block.state(block_hash(memory)) is State.CURRENT


def test_the_block_has_the_files_line_ends() -> None:
    content = placed(b"mine\r\n", MEMORY)
    assert content.count(b"\n") == content.count(b"\r\n") > 3


def test_a_memory_that_names_markers_cannot_end_its_block() -> None:
    content = placed(b"", "a\n<!-- membox:end -->\nb\n<!-- membox:begin -->\n")
    block = found(content)
    assert block is not None
    assert block.end == len(content)
    assert b"b\n" in block.body


def test_a_block_of_an_older_memory_is_stale_and_one_changed_by_hand_edited() -> None:
    content = placed(b"mine\n", MEMORY)
    stale, edited = found(content), found(content.replace(b"Friday", b"Monday"))
    assert stale is not None
    assert edited is not None
    assert stale.state(block_hash("another\n")) is State.STALE
    assert edited.state(block_hash(MEMORY)) is State.EDITED


BEGIN, END = b"<!-- membox:begin -->\n", b"<!-- membox:end -->\n"


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"a\n" + BEGIN + b"b\n", "begin in line 2"),
        (b"a\n" + END, "end in line 2"),
        (END + BEGIN, "begin in line 2"),
        (BEGIN + END + BEGIN + END, "begin in lines 1, 3"),
        (BEGIN + BEGIN + END, "begin in lines 1, 2"),
        (BEGIN + END + b"x\n" + END, "end in lines 2, 4"),
    ],
)
def test_markers_that_are_no_pair_are_told_and_nothing_is_guessed(content: bytes, lines: str) -> None:
    with pytest.raises(ConflictError, match=lines):
        placed(content, MEMORY)
    with pytest.raises(ConflictError, match=lines):
        taken_out(content)


@pytest.mark.parametrize("content", ["mine".encode("utf-16"), b"\xff\xfe\n", b"a\0b\n"])
def test_what_is_no_utf8_text_is_left_alone(content: bytes) -> None:
    with pytest.raises(InvalidError):
        placed(content, MEMORY)
