"""Entries are read back as they were captured, and no text can be more than one."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from appliance.notebook import journal
from appliance.notebook.models import Note
from appliance.notebook.outline import open_fence

MOMENT = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)
HEAD = "# 2026-11-20\n"

# Lines that try to be structure, in every way Markdown knows, and the spaces that make the difference.
NASTY_LINE = st.builds(
    lambda indent, line: indent + line,
    st.sampled_from(["", " ", "  ", "   ", "    ", "\t", "- ", "> ", "1. "]),
    st.sampled_from(
        [
            "### 10:00:00 (captured)", "### 11:11:11", "# title", "#", "---", "- - -", "***", "___", "===", "-", "=",
            "```", "````", "```python", "~~~", "~~~~", "``` a`b", "<!--", "-->", "<!-- membox:end -->", "<div>",
            "</div>", "<script>", "<?php", "<![CDATA[", "<pre>", "<a@b.org>", "<https://e.org>", "", "text", "\\",
            "| a |", "|---|", "[a]: /b", "* item", "+ item", "a  ", "&#35; x", "- ```", "> ```", "\\```",
        ]
    ),
)  # fmt: skip
NASTY = st.lists(NASTY_LINE, min_size=1, max_size=12).map("\n".join)
ANYTHING = st.text(max_size=60)
TEXT = st.one_of(NASTY, ANYTHING).filter(lambda text: text.strip() != "" and "\0" not in text)


def storable(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def day(*texts: str) -> str:
    return HEAD + "".join(journal.entry_text(Note(text=text), MOMENT) for text in texts)


def rendered(text: str) -> list[str]:
    """The headings and rules a Markdown reader sees at the top level of the page, raw HTML allowed."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    seen = []
    for at, token in enumerate(tokens):
        if token.level == 0 and token.type == "heading_open":
            seen.append(f"{token.tag} {tokens[at + 1].content}")
        if token.level == 0 and token.type in ("hr", "html_block"):
            seen.append(token.type)
    return seen


@settings(max_examples=300)
@given(st.lists(TEXT.filter(storable), min_size=1, max_size=3), TEXT.filter(storable))
def test_capturing_any_text_adds_exactly_one_entry_and_changes_no_other(before: list[str], text: str) -> None:
    old, new = journal.parse(day(*before)), journal.parse(day(*before, text))
    assert len(new) == len(old) + 1 == len(before) + 1
    assert new[:-1] == old
    assert new[-1].captured
    assert new[-1].time == "10:00:00"


@settings(max_examples=300)
@given(st.lists(TEXT.filter(storable), min_size=1, max_size=3))
def test_every_markdown_reader_sees_one_rule_and_one_heading_for_each_note(texts: list[str]) -> None:
    assert rendered(day(*texts)) == ["h1 2026-11-20"] + ["hr", "h3 10:00:00 (captured)"] * len(texts)


@given(TEXT.filter(storable))
def test_no_text_leaves_a_code_block_open(text: str) -> None:
    assert open_fence("\n".join(journal.quoted(Note(text=text).text))) is None


@given(TEXT.filter(storable))
def test_text_comes_back_with_no_more_than_backslashes_and_closing_fences_added(text: str) -> None:
    text = Note(text=text).text
    back = journal.parse(day(text))[-1].text
    assert _is_within(text.strip("\n").replace("\\", ""), back)


def _is_within(small: str, large: str) -> bool:
    """Whether all signs of `small` stand in `large`, in their order."""
    rest = iter(large)
    return all(char in rest for char in small if not char.isspace() and char not in "`~")


def test_ordinary_text_is_stored_as_it_is() -> None:
    text = (
        "Call **Ana** about #budget\n\n- [ ] 3 > 2\n- a_b\n\n```python\n# a comment\n---\n```\n\n<https://example.org>"
    )
    assert journal.parse(day(text))[-1].text == text


def test_structure_gets_one_readable_backslash() -> None:
    assert journal.quoted("# Title\n---\n  ***\n<div>\na <!-- b -->") == [
        "\\# Title", "\\---", "  \\***", "\\<div>", "a \\<!-- b -->",
    ]  # fmt: skip


def test_a_managed_marker_is_defused_inside_code_too() -> None:
    assert "<!-- membox" not in "\n".join(journal.quoted("```\n<!-- membox:end -->\n```"))


def test_an_open_code_block_is_closed() -> None:
    assert journal.quoted("~~~~ sh\nls") == ["~~~~ sh", "ls", "~~~~"]


def test_a_code_block_in_a_list_ends_where_the_list_ends() -> None:
    assert journal.quoted("- a\n  ```\n  x\n# no heading") == ["- a", "  ```", "  x", "  ```", "\\# no heading"]


def test_what_comes_with_a_note_stands_in_one_line_above_its_text() -> None:
    note = Note(text="read this", title="A *b*", tags=("to read", "x"), url="https://e.org/a b", source="My phone")
    entry = journal.entry_text(note, MOMENT)
    assert entry == (
        "\n---\n\n### 10:00:00 (captured)\n\n"
        "**A \\*b\\*** · #to-read #x · from <https://e.org/a%20b> · via My phone\n\nread this\n"
    )


def test_entries_of_a_persons_own_hand_are_read_with_their_lines() -> None:
    text = "# 2026-11-20\n\n### 08:00:00 Standup\n\nAll well.\n\n---\n\n### 09:00:00 (captured)\n\nb\n\n## Later\n\nc\n"
    entries = journal.parse(text)
    assert [(entry.time, entry.heading, entry.text, entry.captured) for entry in entries] == [
        ("08:00:00", "Standup", "All well.", False),
        ("09:00:00", "(captured)", "b", True),
    ]
    assert [(entry.first_line, entry.last_line) for entry in entries] == [(3, 5), (9, 11)]
