"""Killed at any moment: what was stored is in the file after the next start, once, and nothing else is touched."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from appliance.notebook import journal, sections
from appliance.notebook.models import Note
from appliance.notebook.service import Notebook
from appliance.storage import Database
from appliance.storage.schema import pending_files

DAY = "sessions/2026-11-20.md"


class Killed(BaseException):
    """The process ends here."""


def entries(root: Path) -> list[str]:
    return [entry.text for entry in journal.parse((root / DAY).read_text())]


def kill_at(monkeypatch: pytest.MonkeyPatch, name: str, call: int, after: bool) -> None:
    """End the process at the `call`-th time the files call `os.<name>`, before or after its work."""
    real = getattr(os, name)
    calls = 0

    def killed(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and not after:
            raise Killed
        result = real(*args, **kwargs)
        if calls == call:
            raise Killed
        return result

    monkeypatch.setattr(f"appliance.notebook.files.os.{name}", killed)


MOMENTS = [
    (name, call, after)
    for name, calls in (("open", 2), ("fsync", 2), ("link", 1), ("replace", 1))
    for call in range(1, calls + 1)
    for after in (False, True)
]


@pytest.mark.parametrize(("name", "call", "after"), MOMENTS)
def test_a_note_stored_before_a_kill_is_in_the_file_once_after_the_next_start(
    open_notebook: Callable[[], Notebook],
    root: Path,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    call: int,
    after: bool,
) -> None:
    notebook = open_notebook()
    notebook.capture(Note(text="before"), "phone")
    with monkeypatch.context() as dying:
        kill_at(dying, name, call, after)
        with pytest.raises(Killed):
            notebook.capture(Note(text="during"), "phone", "key-1")
    again = open_notebook()
    assert entries(root) == ["before", "during"]
    assert again.capture(Note(text="during"), "phone", "key-1").replayed
    assert entries(root) == ["before", "during"]
    assert [path.name for path in root.rglob(".*") if path.name != ".membox-term"] == []
    assert [info.reason for info in again.past.history(DAY)] == ["capture", "capture"]
    with database.read() as conn:
        assert conn.execute(select(pending_files)).all() == []


def test_a_kill_before_the_commit_leaves_nothing_of_the_note(
    open_notebook: Callable[[], Notebook], root: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = open_notebook()
    notebook.capture(Note(text="before"), "phone")
    with monkeypatch.context() as dying:
        dying.setattr(type(database), "write", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            notebook.capture(Note(text="during"), "phone", "key-1")
    again = open_notebook()
    assert entries(root) == ["before"]
    assert again.capture(Note(text="during"), "phone", "key-1").replayed is False


def killed_before_the_file(notebook: Notebook, monkeypatch: pytest.MonkeyPatch, write: Callable[[], object]) -> None:
    with monkeypatch.context() as dying:
        kill_at(dying, "open", 1, after=False)
        with pytest.raises(Killed):
            write()


def test_an_edit_by_hand_after_the_kill_is_merged_with_what_was_pending(
    open_notebook: Callable[[], Notebook], root: Path, monkeypatch: pytest.MonkeyPatch, edit: Any
) -> None:
    notebook = open_notebook()
    notebook.save("notes.md", "a\nb\nc\n", 0, "ana")
    killed_before_the_file(notebook, monkeypatch, lambda: notebook.save("notes.md", "A\nb\nc\n", 1, "ana"))
    edit("notes.md", "a\nb\nby hand\n")
    again = open_notebook()
    assert (root / "notes.md").read_text() == "A\nb\nby hand\n" == again.read("notes.md").text
    assert [info.reason for info in again.past.history("notes.md")] == ["merge", "hand-edit", "save", "save"]


def test_an_edit_by_hand_of_the_written_file_is_no_crossing(
    open_notebook: Callable[[], Notebook], root: Path, monkeypatch: pytest.MonkeyPatch, edit: Any
) -> None:
    notebook = open_notebook()
    notebook.capture(Note(text="one"), "phone")
    with monkeypatch.context() as dying:
        kill_at(dying, "replace", 1, after=True)
        with pytest.raises(Killed):
            notebook.capture(Note(text="two"), "phone")
    edit(DAY, (root / DAY).read_text() + "\nby hand\n")
    again = open_notebook()
    assert entries(root) == ["one", "two\n\nby hand"]
    assert [info.reason for info in again.past.history(DAY)] == ["hand-edit", "capture", "capture"]


def test_an_edit_that_slipped_in_just_before_a_kill_is_merged(
    open_notebook: Callable[[], Notebook], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = open_notebook()
    notebook.save("notes.md", "a\nb\nc\n", 0, "ana")
    real = os.replace

    def slip_and_die(source: Any, target: Any) -> None:
        (root / "notes.md").write_text("a\nb\nby hand\n")
        real(source, target)
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr("appliance.notebook.files.os.replace", slip_and_die)
        with pytest.raises(Killed):
            notebook.save("notes.md", "A\nb\nc\n", 1, "ana")
    open_notebook()
    assert (root / "notes.md").read_text() == "A\nb\nby hand\n"


def test_a_torn_temporary_file_is_thrown_away(open_notebook: Callable[[], Notebook], root: Path) -> None:
    open_notebook().capture(Note(text="one"), "phone")
    (root / "sessions" / ".2026-11-20.md.membox-new").write_text("# 2026-11-20\n\n---\n\n### 10:1")
    open_notebook()
    assert [path.name for path in root.rglob(".*") if path.name != ".membox-term"] == []
    assert entries(root) == ["one"]


def test_a_file_written_but_not_marked_done_is_left_as_it_is(
    open_notebook: Callable[[], Notebook], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_notebook().capture(Note(text="one"), "phone")
    inode = (root / DAY).stat().st_ino
    again = open_notebook()
    assert (root / DAY).stat().st_ino == inode
    assert len(again.past.history(DAY)) == 1


def test_a_new_file_that_was_never_written_is_written_at_start(
    open_notebook: Callable[[], Notebook], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = open_notebook()
    killed_before_the_file(notebook, monkeypatch, lambda: notebook.save("projects/x.md", "x\n", 0, "ana"))
    assert not (root / "projects/x.md").exists()
    open_notebook()
    assert (root / "projects/x.md").read_text() == "x\n"


def test_what_was_edited_added_and_deleted_while_off_is_taken_in(
    open_notebook: Callable[[], Notebook], root: Path, edit: Any, index: Any
) -> None:
    notebook = open_notebook()
    notebook.save("notes.md", "a\n", 0, "ana")
    notebook.save("gone.md", "g h\n", 0, "ana")
    edit("notes.md", "by hand\n")
    edit("added.md", "new words\n")
    notebook.close()
    (root / "gone.md").unlink()
    again = open_notebook()
    assert again.read("notes.md").text == "by hand\n"
    assert again.read("added.md").text == "new words\n"
    assert again.past.history("gone.md")[0].reason == "deleted"
    assert (index.texts("added.md"), index.texts("gone.md")) == (["new words"], [])
    assert again.restore("gone.md", 1, "ana").text == "g h\n"


def test_when_the_directory_is_empty_the_files_are_written_from_the_database(
    open_notebook: Callable[[], Notebook], root: Path
) -> None:
    notebook = open_notebook()
    notebook.capture(Note(text="kept"), "phone")
    before = {path.relative_to(root): path.read_text() for path in root.rglob("*.md")}
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    root.rmdir()
    open_notebook()
    assert {path.relative_to(root): path.read_text() for path in root.rglob("*.md")} == before


def test_files_that_were_there_first_are_kept_and_the_missing_ones_offered(
    open_notebook: Callable[[], Notebook], root: Path, edit: Any
) -> None:
    edit("GLOBAL_MEMORY.md", "# Mine\n")
    for number in range(60):
        edit(f"old/{number}.md", f"note {number}\n")
    notebook = open_notebook()
    assert (root / "GLOBAL_MEMORY.md").read_text() == "# Mine\n"
    assert len(notebook.documents()) == 64
    assert notebook.notice() == []


def test_starting_files_a_person_deleted_do_not_come_back(open_notebook: Callable[[], Notebook], root: Path) -> None:
    open_notebook()
    (root / "tasks/lessons.md").unlink()
    open_notebook()
    open_notebook()
    assert not (root / "tasks/lessons.md").exists()


def test_a_mark_without_a_document_is_cleared(open_notebook: Callable[[], Notebook], database: Database) -> None:
    open_notebook()
    row = {"path": "ghost.md", "old_hash": None, "new_hash": "0" * 64}
    database.write(lambda conn: conn.execute(insert(pending_files).values(row)))
    open_notebook()
    with database.read() as conn:
        assert conn.execute(select(pending_files)).all() == []


def test_a_disk_that_cannot_be_written_does_not_keep_the_notebook_from_opening(
    open_notebook: Callable[[], Notebook], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = open_notebook()
    killed_before_the_file(notebook, monkeypatch, lambda: notebook.save("notes.md", "x\n", 0, "ana"))

    def refused(*_: Any) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as broken:
        broken.setattr("appliance.notebook.files.os.replace", refused)
        again = open_notebook()
        assert again.read("notes.md").text == "x\n"
        assert any("notes.md could not be written" in sentence for sentence in again.problems())
    again.notice()
    assert (root / "notes.md").read_text() == "x\n"


def test_the_whole_index_is_what_the_files_say_after_a_start(
    open_notebook: Callable[[], Notebook], root: Path, index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = open_notebook()
    for number in range(3):
        notebook.capture(Note(text=f"note {number}"), "phone")
    killed_before_the_file(notebook, monkeypatch, lambda: notebook.capture(Note(text="last"), "phone"))
    open_notebook()
    assert index.sections[DAY] == sections.cut(DAY, (root / DAY).read_text(), "Europe/Berlin")


def test_what_is_forgotten_at_the_end_of_an_archived_file_leaves_no_edit_by_hand(
    notebook: Notebook, root: Path, open_notebook: Any
) -> None:
    notebook.save("archive/old.md", "old\n\nthe secret place\n", 0, "ana")
    notebook.save("notes.md", "new\n\nthe secret place\n", 0, "ana")
    notebook.forget("notes.md", 3, 3, "ana")
    assert (root / "archive" / "old.md").read_text() == notebook.past.version("archive/old.md", 1) == "old\n"
    notebook.close()
    reasons = [version.reason for version in open_notebook().past.history("archive/old.md")]
    assert reasons == ["forget", "save"]
