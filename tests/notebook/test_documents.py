"""Which files the notebook holds, and what a text is."""

import pytest

from appliance.errors import InvalidError, StorageError
from appliance.notebook.documents import checked_path, day_of, tier
from appliance.notebook.plaintext import decode, joined, lines_of, normalise


@pytest.mark.parametrize(
    "path",
    [
        "", "/etc/x.md", "../x.md", "a/../x.md", "a//x.md", "./x.md", ".md", "a/.md", ".hidden.md", "a/.git/x.md",
        "x.txt", "x.md/", "a\\b.md", "a\nb.md", "a\0.md", " x.md", "a /x.md", "x" * 400 + ".md",
        "/".join("abcdefghi") + ".md", "é" * 150 + ".md", "x.MD", "a\u202eb.md", "notes.md/x.md", "a/B.MD/x.md",
    ],
)  # fmt: skip
def test_a_path_that_could_leave_the_notebook_or_confuse_a_reader_is_refused(path: str) -> None:
    with pytest.raises(InvalidError) as refused:
        checked_path(path)
    assert refused.value.word == "invalid_path"


@pytest.mark.parametrize("path", ["GLOBAL_MEMORY.md", "projects/my app.md", "a/b/c/d.md", "日記/今日.md", "a.b.md"])
def test_a_plain_relative_path_is_taken(path: str) -> None:
    assert checked_path(path) == path


def test_tiers_are_the_contracts() -> None:
    expected = {
        "GLOBAL_MEMORY.md": "long-term",
        "projects/x.md": "long-term",
        "working-buffer.md": "active",
        "sessions/2026-11-20.md": "progress",
        "tasks/todo.md": "work",
    }
    assert {path: tier(path) for path in expected} == expected
    assert (tier("archive/x.md"), tier("recipes.md")) == ("cold", "other")


def test_a_days_file_says_its_day() -> None:
    assert (day_of("sessions/2026-11-20.md"), day_of("sessions/plan.md"), day_of("archive/2026-11-20.md")) == (
        "2026-11-20",
        None,
        None,
    )


def test_a_text_has_line_feeds_and_one_at_the_end() -> None:
    assert normalise("\ufeffa\r\nb\rc\n\n\n") == "a\nb\nc\n"
    assert (normalise(""), normalise("\n\n"), normalise("a")) == ("", "", "a\n")


def test_bytes_that_are_no_text_are_refused() -> None:
    for raw in (b"\xff\xfe", b"a\0b"):
        with pytest.raises(StorageError):
            decode(raw)


def test_only_a_line_feed_ends_a_line() -> None:
    text = "a\u2028b\x0cc\x85d\ne\n"
    assert lines_of(text) == ["a\u2028b\x0cc\x85d", "e"]
    assert joined(lines_of(text)) == text
