"""Edits by hand are noticed, become versions, and are merged with what crossed them."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import NotFoundError
from appliance.notebook import watch
from appliance.notebook.models import Note
from appliance.notebook.service import Notebook

DAY = "sessions/2026-11-20.md"


@pytest.fixture
def saved(notebook: Notebook) -> Notebook:
    notebook.save("notes.md", "a\nb\nc\n", 0, "ana")
    return notebook


def slip(monkeypatch: pytest.MonkeyPatch, edit: Callable[[], object]) -> None:
    """Let `edit` happen at the last moment: after membox has looked, just before its rename."""
    real = os.replace
    edits = iter([edit])

    def replace(source: Any, target: Any) -> None:
        next(edits, lambda: None)()
        # What a hard link made before would show: the edit is made in the file that is still there.
        real(source, target)

    monkeypatch.setattr("appliance.notebook.files.os.replace", replace)


def test_an_edit_becomes_a_version_and_is_indexed(saved: Notebook, edit: Any, index: Any) -> None:
    edit("notes.md", "a\nby hand\nc\n")
    assert saved.notice() == ["notes.md"]
    assert saved.read("notes.md").text == "a\nby hand\nc\n"
    assert index.texts("notes.md") == ["a\nby hand\nc"]
    newest = saved.past.history("notes.md")[0]
    assert (newest.number, newest.author, newest.reason) == (2, "by hand", "hand-edit")
    assert saved.notice() == []


def test_reading_a_file_takes_its_edit_in(saved: Notebook, edit: Any) -> None:
    edit("notes.md", "x\n")
    assert saved.read("notes.md").text == "x\n"


def test_an_edit_is_taken_in_only_when_the_file_has_come_to_rest(saved: Notebook, root: Path) -> None:
    (root / "notes.md").write_text("half\n")
    assert saved.notice() == []
    os.utime(root / "notes.md", (time.time() - 2, time.time() - 2))
    assert saved.notice() == ["notes.md"]


def test_a_file_with_a_time_in_the_future_is_watched_until_it_rests(
    saved: Notebook, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "notes.md").write_text("x\n")
    os.utime(root / "notes.md", (time.time() + 9000, time.time() + 9000))
    assert saved.notice() == []
    monkeypatch.setattr(watch, "SETTLE_SECONDS", 0.0)
    assert saved.notice() == ["notes.md"]


def test_a_write_takes_in_what_was_edited_a_moment_ago(saved: Notebook, root: Path) -> None:
    (root / "notes.md").write_text("a\nb\nby hand\n")
    assert saved.save("notes.md", "A\nb\nc\n", 1, "ana").text == "A\nb\nby hand\n"
    assert (root / "notes.md").read_text() == "A\nb\nby hand\n"


def test_a_note_keeps_what_was_edited_a_moment_ago(notebook: Notebook, root: Path) -> None:
    notebook.capture(Note(text="one"), "phone")
    with (root / DAY).open("a") as file:
        file.write("\nadded by hand\n")
    notebook.capture(Note(text="two"), "phone")
    text = (root / DAY).read_text()
    assert text.index("one") < text.index("added by hand") < text.index("two")


def test_an_edit_that_slips_in_before_the_rename_is_merged(
    saved: Notebook, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slip(monkeypatch, lambda: (root / "notes.md").write_text("a\nb\nby hand\n"))
    saved.save("notes.md", "A\nb\nc\n", 1, "ana")
    assert (root / "notes.md").read_text() == "A\nb\nby hand\n"
    assert [info.reason for info in saved.past.history("notes.md")] == ["merge", "hand-edit", "save", "save"]
    assert saved.past.version("notes.md", 3) == "a\nb\nby hand\n"


def test_an_edit_of_the_same_lines_shows_both_sides_and_is_a_problem_until_settled(
    saved: Notebook, root: Path, monkeypatch: pytest.MonkeyPatch, edit: Any
) -> None:
    slip(monkeypatch, lambda: (root / "notes.md").write_text("a\nby hand\nc\n"))
    saved.save("notes.md", "a\nby ana\nc\n", 1, "ana")
    text = (root / "notes.md").read_text()
    assert text == "a\n<<<<<<< membox, version 2\nby ana\n=======\nby hand\n>>>>>>> edited by hand\nc\n"
    assert saved.past.version("notes.md", 3) == "a\nby hand\nc\n"
    assert "remove the lines <<<<<<<" in saved.problems()["notes.md holds a conflict."]
    edit("notes.md", "a\nby both\nc\n")
    saved.notice()
    assert not saved.problems()


def test_a_note_and_a_line_that_slips_in_at_the_same_place_are_both_kept(
    notebook: Notebook, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook.capture(Note(text="one"), "phone")
    slip(monkeypatch, lambda: (root / DAY).open("a").write("\nadded by hand\n"))
    notebook.capture(Note(text="two"), "phone")
    text = (root / DAY).read_text()
    assert all(part in text for part in ("one", "two", "added by hand"))
    assert "<<<<<<<" not in text
    assert notebook.read(DAY).text == text


def test_no_second_names_or_half_files_stay_behind(saved: Notebook, root: Path) -> None:
    saved.save("notes.md", "new\n", 1, "ana")
    assert [path.name for path in root.rglob(".*") if path.name != ".membox-term"] == []


def test_a_new_file_joins_the_notebook(saved: Notebook, edit: Any) -> None:
    edit("recipes/soup.md", "## Soup\nSalt.\n")
    assert saved.notice() == ["recipes/soup.md"]
    assert saved.read("recipes/soup.md").version == 1


def test_a_deleted_file_is_a_version_and_can_be_restored(
    saved: Notebook, root: Path, index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "notes.md").unlink()
    assert saved.notice() == []
    monkeypatch.setattr(watch, "SETTLE_SECONDS", 0.0)
    assert saved.notice() == ["notes.md"]
    assert saved.past.history("notes.md")[0].reason == "deleted"
    assert index.texts("notes.md") == []
    with pytest.raises(NotFoundError):
        saved.read("notes.md")
    assert saved.undo("notes.md", "ana").text == "a\nb\nc\n"
    assert (root / "notes.md").read_text() == "a\nb\nc\n"
    saved.undo("notes.md", "ana")
    assert not (root / "notes.md").exists()
    assert saved.save("notes.md", "anew\n", 0, "ana").version == 5


def test_a_file_that_is_away_for_a_moment_is_written_again_by_the_next_write(saved: Notebook, root: Path) -> None:
    (root / "notes.md").unlink()
    assert saved.save("notes.md", "a\nb\nd\n", 1, "ana").text == "a\nb\nd\n"
    assert (root / "notes.md").read_text() == "a\nb\nd\n"


def test_when_every_file_is_gone_all_are_written_again(saved: Notebook, root: Path) -> None:
    for path in root.rglob("*.md"):
        path.unlink()
    assert saved.notice() == []
    assert (root / "notes.md").read_text() == "a\nb\nc\n"
    assert len(saved.documents()) == len(list(root.rglob("*.md"))) == 5


def test_windows_line_ends_are_no_edit_and_the_file_keeps_them_until_it_is_written(
    saved: Notebook, root: Path, edit: Any
) -> None:
    edit("notes.md", "a\r\nb\r\nc")
    assert saved.notice() == []
    assert (root / "notes.md").read_bytes() == b"a\r\nb\r\nc"
    saved.save("notes.md", "a\nb\nc\nd\n", 1, "ana")
    assert (root / "notes.md").read_bytes() == b"a\nb\nc\nd\n"


def test_a_file_that_is_no_text_is_left_alone_and_said(saved: Notebook, root: Path) -> None:
    (root / "notes.md").write_bytes(b"\xff\xfe binary")
    os.utime(root / "notes.md", (1, 1))
    assert saved.notice() == []
    assert list(saved.problems()) == ["notes.md is left alone: it is not UTF-8 text."]
    assert (root / "notes.md").read_bytes() == b"\xff\xfe binary"
    assert saved.read("notes.md").text == "a\nb\nc\n"


def test_a_write_sets_a_file_that_is_no_text_aside(saved: Notebook, root: Path) -> None:
    (root / "notes.md").write_bytes(b"\xff\xfe binary")
    saved.save("notes.md", "a\nb\n", 1, "ana")
    assert (root / "notes.md").read_text() == "a\nb\n"
    assert (root / "notes.md.unreadable-1").read_bytes() == b"\xff\xfe binary"


def test_a_file_over_4_mb_is_left_alone(
    saved: Notebook, edit: Any, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit("big.md", "x" * (4 * 1024 * 1024 + 1))
    saved.notice()
    assert any("big.md is left alone: it is larger than 4 MB" in sentence for sentence in saved.problems())
    (root / "big.md").unlink()
    monkeypatch.setattr(watch, "SETTLE_SECONDS", 0.0)
    saved.notice()
    saved.notice()
    assert not saved.problems()


def test_a_name_the_notebook_cannot_hold_is_said(saved: Notebook, root: Path) -> None:
    (root / " odd.md").write_text("x\n")
    (root / "two\nlines.md").write_text("x\n")
    saved.notice()
    names = [sentence.partition(" is left alone")[0] for sentence in saved.problems()]
    assert names == [" odd.md", "two?lines.md"]


def test_the_files_rights_stay_as_they_are(saved: Notebook, root: Path) -> None:
    (root / "notes.md").chmod(0o640)
    saved.save("notes.md", "new\n", 1, "ana")
    assert (root / "notes.md").stat().st_mode & 0o777 == 0o640


def test_an_editor_that_was_open_while_a_note_came_does_not_delete_it(
    notebook: Notebook, root: Path, edit: Any
) -> None:
    notebook.capture(Note(text="one"), "phone")
    opened = (root / DAY).read_text()
    notebook.capture(Note(text="two"), "phone")
    notebook.capture(Note(text="three"), "phone")
    edit(DAY, opened.replace("one", "one, said Ana") + "\nadded at the end\n")
    assert notebook.notice() == [DAY]
    text = (root / DAY).read_text()
    assert all(part in text for part in ("one, said Ana", "added at the end", "two", "three"))
    assert "<<<<<<<" not in text
    assert notebook.read(DAY).text == text


def test_a_note_taken_out_by_hand_stays_out(notebook: Notebook, root: Path, edit: Any) -> None:
    notebook.capture(Note(text="one"), "phone")
    before = (root / DAY).read_text()
    notebook.capture(Note(text="two"), "phone")
    edit(DAY, before)
    notebook.notice()
    assert notebook.read(DAY).text == before == (root / DAY).read_text()


def test_what_a_person_wrote_by_hand_they_can_take_out_by_hand(notebook: Notebook, root: Path, edit: Any) -> None:
    notebook.save("notes.md", "a\nb\n", 0, "ana")
    edit("notes.md", "a\nb\nfirst thought\n")
    notebook.notice()
    edit("notes.md", "a\nB\nsecond thought\n")
    notebook.notice()
    assert (root / "notes.md").read_text() == "a\nB\nsecond thought\n"


def test_an_hour_later_an_edit_means_what_it_says(notebook: Notebook, root: Path, edit: Any, clock: Any) -> None:
    notebook.capture(Note(text="one"), "phone")
    before = (root / DAY).read_text()
    notebook.capture(Note(text="two"), "phone")
    clock.pass_time(hours=2)
    edit(DAY, before.replace("one", "uno"))
    notebook.notice()
    assert "two" not in (root / DAY).read_text()


def test_where_there_are_no_hard_links_a_copy_serves(
    saved: Notebook, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("appliance.notebook.files.os.link", refused)
    saved.save("notes.md", "a\nb\nc\nd\n", 1, "ana")
    (root / "notes.md").write_text("a\nby hand\nc\nd\n")
    assert saved.save("notes.md", "a\nb\nc\nD\n", 2, "ana").text == "a\nby hand\nc\nD\n"
    assert [info.reason for info in saved.past.history("notes.md")] == ["merge", "hand-edit", "save", "save"]
    assert [path.name for path in root.rglob(".*") if path.name != ".membox-term"] == []
