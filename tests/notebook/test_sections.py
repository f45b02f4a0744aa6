"""Files are cut into the pieces memory holds: each with its own lines, none too long, none empty."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from appliance.clock import to_ms
from appliance.notebook.offered import offered_files
from appliance.notebook.sections import MAX_CHARACTERS, Section, cut

LINE = st.one_of(
    st.sampled_from(
        ["# One", "## Two", "### Three words here now", "", "", "text", "- item", "```", "---", "<!-- hint -->",
         "=====", "<!-- a", "b -->", "### 08:00:00 (captured)", "x " * 1500, "y" * 4500]
    ),
    st.text(alphabet="ab #-", max_size=12),
)  # fmt: skip
FILES = st.lists(LINE, max_size=25).map(lambda lines: "".join(f"{line}\n" for line in lines))
PATHS = st.sampled_from(["tasks/todo.md", "sessions/2026-11-20.md"])


def only(sections: list[Section]) -> Section:
    (section,) = sections
    return section


@given(PATHS, FILES)
def test_sections_are_in_order_apart_and_match_the_lines_they_name(path: str, text: str) -> None:
    lines = text.split("\n")
    last = 0
    for section in cut(path, text, "UTC"):
        assert 0 < len(section.text) <= MAX_CHARACTERS
        assert 1 <= section.first_line <= section.last_line < len(lines)
        # Only one line too long for a section is shared by several.
        assert section.first_line > last or len(lines[section.first_line - 1]) > MAX_CHARACTERS // 2
        last = section.last_line
        named = "\n".join(lines[section.first_line - 1 : section.last_line])
        assert all(line in named for line in section.text.split("\n")[2:])


@given(PATHS, FILES)
def test_every_word_outside_comments_and_headings_is_in_some_section(path: str, text: str) -> None:
    said = "\n".join(section.text for section in cut(path, text, "UTC"))
    for line in ("text", "- item"):
        if f"\n{line}\n" in f"\n{text}" and "<!--" not in text and "```" not in text and "<" not in text:
            assert line in said


def test_a_section_holds_its_heading_and_names_its_lines() -> None:
    text = "# Top\n\n## Preferences\n\nTea, no milk.\n\n## Empty\n\n## Next\nMore.\n"
    assert [(s.text, s.first_line, s.last_line, s.type) for s in cut("GLOBAL_MEMORY.md", text, "UTC")] == [
        ("## Preferences\n\nTea, no milk.", 3, 5, "fact"),
        ("## Next\nMore.", 9, 10, "fact"),
    ]


def test_constraints_and_decisions_are_policies_at_any_level_with_all_below_them() -> None:
    text = "## Hard constraints\na\n### Production\nb\n## Notes\nc\n# Decisions\nd\n#### Constraints:\ne\n"
    types = {s.text.split("\n")[-1]: s.type for s in cut("projects/x.md", text, "UTC")}
    assert types == {"a": "policy", "b": "policy", "c": "fact", "d": "policy", "e": "policy"}


def test_a_day_is_cut_at_its_entries_and_the_time_is_not_part_of_the_text() -> None:
    text = "# 2026-07-01\n\n---\n\n### 23:30:00 (captured)\n\nCall Ana.\n\n---\n\n### 23:31:00 Standup\n\nFine.\n"
    first, second = cut("sessions/2026-07-01.md", text, "Europe/Berlin")
    assert (first.text, first.first_line, first.last_line, first.type) == ("Call Ana.", 5, 7, "event")
    assert first.occurred_at == to_ms(datetime(2026, 7, 1, 21, 30, tzinfo=UTC))
    assert second.text == "### 23:31:00 Standup\n\nFine."


def test_an_impossible_time_or_day_is_no_error() -> None:
    assert only(cut("sessions/2026-07-01.md", "### 29:99:99 (captured)\n\nx y\n", "UTC")).occurred_at is None
    assert only(cut("sessions/2026-99-01.md", "### 09:00:00 (captured)\n\nx y\n", "UTC")).occurred_at is None


def test_a_note_from_the_web_is_trusted_less() -> None:
    text = "### 09:00:00 (captured)\n\n**T** · from <https://e.org>\n\nwords\n"
    assert only(cut("sessions/2026-11-20.md", text, "UTC")).trust_level == "untrusted_web"


def test_a_hash_in_code_is_no_heading() -> None:
    assert only(cut("a.md", "## Setup\n```sh\n# not a heading\nls\n```\n", "UTC")).last_line == 5


def test_an_underlined_heading_is_one() -> None:
    assert [s.text for s in cut("a.md", "Title\n=====\none\n\nSub\n---\ntwo\n", "UTC")] == [
        "Title\n=====\none",
        "Sub\n---\ntwo",
    ]


def test_a_new_notebooks_files_are_no_memories() -> None:
    assert [cut(path, text, "UTC") for path, text in offered_files().items()] == [[], [], [], []]


def test_comments_are_left_out_of_what_is_remembered() -> None:
    section = only(cut("a.md", "<!-- membox v1 -->\n## Prefs\n<!-- hint\nmore -->\nTea.\n", "UTC"))
    assert (section.text, section.first_line, section.last_line) == ("## Prefs\n\nTea.", 2, 5)


def test_a_heading_that_is_a_sentence_is_remembered_without_a_body() -> None:
    assert only(cut("a.md", "## Never deploy on Friday\n\n## Notes\n", "UTC")).text == "## Never deploy on Friday"


def test_a_long_section_is_cut_at_paragraphs_and_each_piece_says_its_heading() -> None:
    paragraphs = [f"paragraph {number} " + "word " * 300 for number in range(6)]
    sections = cut("a.md", "## Long\n" + "\n\n".join(paragraphs) + "\n", "UTC")
    assert len(sections) == 3
    assert all(section.text.startswith("## Long\n") for section in sections)
    assert sections[1].first_line == 6
    assert "".join(section.text for section in sections).count("paragraph") == 6


def test_lines_count_from_where_the_text_begins_in_its_file() -> None:
    assert only(cut("sessions/2026-11-20.md", "\n---\n\n### 09:00:00\n\nx y\n", "UTC", 100)).first_line == 104


def test_odd_line_separators_are_part_of_a_line() -> None:
    assert only(cut("a.md", "one\u2028two\x0cthree\nfour\n", "UTC")).last_line == 2
