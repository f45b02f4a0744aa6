"""What is printed is aligned, plain in a pipe, and cannot play with the terminal."""

import pytest

from appliance.cli import output
from appliance.cli.memory import parse_range
from appliance.quoting import origin


def test_control_characters_and_direction_overrides_are_made_visible() -> None:
    hostile = "a\x1b[2Jb\x07\r\u202ec\x9b\td\ne"
    assert output.shown(hostile) == "a\\x1b[2Jb\\x07\\x0d\\x202ec\\x9b\td\ne"


def test_text_of_every_script_is_left_as_it_is() -> None:
    assert output.shown("Grüße 東京 ไทย العربية 👩‍💻") == "Grüße 東京 ไทย العربية 👩‍💻"


def test_a_quotation_has_a_bar_before_every_line() -> None:
    assert output.quote("one\n\ntwo") == "  │ one\n  │\n  │ two"


def test_columns_are_aligned_by_what_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("NAME", "N"), [("東京", 1), ("a", 22)], "none")
    assert capsys.readouterr().out == "NAME  N\n東京  1\na     22\n"


def test_no_rows_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("NAME",), [], "Nothing yet.")
    assert capsys.readouterr().out == "Nothing yet.\n"


def test_a_long_line_is_not_cut_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("TEXT",), [("x" * 500,)], "none")
    assert "x" * 500 in capsys.readouterr().out


@pytest.mark.parametrize(("count", "said"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2_500_000_000, "2.5 GB")])
def test_sizes_are_for_people(count: int, said: str) -> None:
    assert output.size(count) == said


def test_times_from_either_form_are_the_same() -> None:
    assert output.when(1_763_628_600_000) == output.when("2025-11-20T08:50:00.000Z")
    assert output.when(None) == "never"


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("notebook:sessions/2026-11-20.md#L12-L18", "sessions/2026-11-20.md:12-18"),
        ("notebook:GLOBAL_MEMORY.md#L7-L7", "GLOBAL_MEMORY.md:7"),
        ("notebook:a#b.md#L7", "a#b.md:7"),
        ("mail:1234", "mail:1234"),
        (None, "mem_1"),
    ],
)
def test_an_items_origin_is_file_and_line_where_it_is_the_notebooks(reference: str | None, said: str) -> None:
    assert origin({"memory_id": "mem_1", "source_ref": reference}) == said


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sessions/2026-11-20.md:12-18", ("sessions/2026-11-20.md", 12, 18)),
        ("todo.md:3", ("todo.md", 3, 3)),
        ("todo.md#L3-L5", ("todo.md", 3, 5)),
    ],
)
def test_a_range_of_lines_is_read_as_it_is_printed(text: str, found: tuple[str, int, int]) -> None:
    assert parse_range(text) == found


@pytest.mark.parametrize("text", ["todo.md", "todo.md:", "todo.md:0", "todo.md:5-3", ":3", "todo.md:x"])
def test_what_is_no_range_is_a_usage_error(text: str) -> None:
    import click

    with pytest.raises(click.UsageError):
        parse_range(text)
