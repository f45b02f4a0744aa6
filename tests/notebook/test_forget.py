"""What is forgotten is nowhere any more: not in the file, the archive, a past version, or the store's bytes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from appliance.errors import InvalidError, NotFoundError
from appliance.memory.sections import NotebookSections
from appliance.notebook import journal
from appliance.notebook.forgetting import cut_out
from appliance.notebook.models import Note
from appliance.notebook.service import Notebook
from appliance.storage import Database
from appliance.storage.schema import audit_log

DAY = "sessions/2026-11-20.md"
SECRET = "the door code is 4711"


def versions(notebook: Notebook, path: str) -> list[str]:
    return [notebook.past.version(path, info.number) for info in reversed(notebook.past.history(path, limit=500))]


def anywhere(notebook: Notebook, words: str) -> list[str]:
    """Every version of every file that still has the words."""
    found = []
    for info in notebook.past.history(limit=500):
        if words in notebook.past.version(info.path, info.number):
            found.append(f"{info.path} {info.number}")
    return found


def test_a_forgotten_note_is_gone_from_file_index_and_every_version(notebook: Notebook, root: Path, index: Any) -> None:
    notebook.capture(Note(text="before"), "phone")
    captured = notebook.capture(Note(text=f"remember:\n{SECRET}"), "phone")
    notebook.capture(Note(text="after"), "phone")
    notebook.forget(DAY, captured.first_line, captured.last_line, "ana")
    assert anywhere(notebook, "4711") == []
    assert [entry.text for entry in journal.parse((root / DAY).read_text())] == ["before", "after"]
    assert index.texts(DAY) == ["before", "after"]
    assert (root / DAY).read_text().count("\n---\n") == 2


def test_the_other_notes_of_past_versions_stay(notebook: Notebook) -> None:
    for text in ("one words", SECRET, "two words"):
        notebook.capture(Note(text=text), "phone")
    first_line = notebook.read(DAY).text.split("\n").index(SECRET) - 1
    notebook.forget(DAY, first_line, first_line + 2, "ana")
    kept = [[entry.text for entry in journal.parse(text) if entry.text] for text in versions(notebook, DAY)]
    assert kept == [["one words"], ["one words"], ["one words", "two words"], ["one words", "two words"]]


def test_history_and_audit_log_show_that_but_not_what(notebook: Notebook, database: Database) -> None:
    notebook.save("notes.md", f"a\n{SECRET}\nb\n", 0, "ana")
    notebook.forget("notes.md", 2, 2, "ben")
    newest = notebook.past.history("notes.md")[0]
    assert (newest.reason, newest.removed, newest.author) == ("forget", True, "ben")
    with database.read() as conn:
        rows = [(row.actor, row.action, row.subject) for row in conn.execute(select(audit_log))]
    assert rows == [("ben", "forget", "notebook:notes.md")]


def test_earlier_wordings_go_too_and_everything_else_stays(notebook: Notebook) -> None:
    notebook.save("notes.md", "keep this line\nThe door code is 1234\n", 0, "ana")
    notebook.save("notes.md", "keep this line\nmore to keep\nThe door code is 4711\n", 1, "ana")
    notebook.save("notes.md", "keep this line\nThe door code is 4711\n}\n", 2, "ana")
    notebook.forget("notes.md", 2, 3, "ana")
    assert versions(notebook, "notes.md") == [
        "keep this line\n",
        "keep this line\nmore to keep\n",
        "keep this line\n",
        "keep this line\n",
    ]


def test_a_line_that_stays_in_the_file_stays_in_its_past(notebook: Notebook) -> None:
    notebook.save("notes.md", "- buy milk\n- call Ana\n- buy milk\n", 0, "ana")
    notebook.forget("notes.md", 3, 3, "ana")
    assert versions(notebook, "notes.md")[0].count("buy milk") == 2
    assert notebook.read("notes.md").text == "- buy milk\n- call Ana\n"


def test_archive_and_deleted_files_forget_it_as_well(
    notebook: Notebook, root: Path, open_notebook: Callable[[], Notebook], index: Any
) -> None:
    for path in ("archive/old.md", "archive/other.md", "moved.md", "notes.md"):
        words = "nothing of it" if "other" in path else SECRET
        notebook.save(path, f"## Codes\n{words}\nand more of {path}\n", 0, "ana")
    (root / "moved.md").unlink()
    notebook = open_notebook()
    notebook.forget("notes.md", 2, 2, "ana")
    assert anywhere(notebook, "4711") == []
    assert (root / "archive/old.md").read_text() == "## Codes\nand more of archive/old.md\n"
    assert index.texts("archive/old.md") == ["## Codes\nand more of archive/old.md"]
    assert notebook.past.history("archive/other.md")[0].reason == "save"


def test_a_remembered_item_is_forgotten_by_its_id(notebook: Notebook, index: Any) -> None:
    notebook.save("notes.md", f"## One\nfirst\n\n## Two\n{SECRET}\n", 0, "ana")
    assert notebook.forget_item("notes.md#1", "ana") is True
    assert notebook.read("notes.md").text == "## One\nfirst\n"
    assert anywhere(notebook, "4711") == []
    assert notebook.forget_item("notes.md#1", "ana") is False
    assert notebook.forget_item("mem_unknown", "ana") is False
    assert index.forgotten == ["notes.md#1"]


def test_lines_that_are_not_there_are_refused(notebook: Notebook) -> None:
    notebook.save("notes.md", "a\nb\n", 0, "ana")
    for first, last in [(0, 1), (2, 1), (1, 3), (-1, -1)]:
        with pytest.raises(InvalidError):
            notebook.forget("notes.md", first, last, "ana")
    with pytest.raises(NotFoundError):
        notebook.forget("nothing.md", 1, 1, "ana")


def test_a_long_history_reads_the_same_but_for_what_was_forgotten(notebook: Notebook) -> None:
    for number in range(250):
        notebook.capture(Note(text=SECRET if number == 120 else f"note number {number}"), "phone")
    line = notebook.read(DAY).text.split("\n").index(SECRET) + 1
    notebook.forget(DAY, line, line, "ana")
    texts = versions(notebook, DAY)
    assert len(texts) == 251
    assert all(text.count("note number") == at + 1 - (at >= 120) for at, text in enumerate(texts[:-1]))
    assert not any(SECRET in text for text in texts)


def test_an_edit_that_slips_in_while_forgetting_does_not_keep_what_is_forgotten(
    notebook: Notebook, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    notebook.save("notes.md", f"a\n{SECRET}\nb\nc\n", 0, "ana")
    real, edits = os.replace, iter([f"a\n{SECRET}\nb\nby hand\n"])

    def replace(source: Any, target: Any) -> None:
        if text := next(edits, None):
            (root / "notes.md").write_text(text)
        real(source, target)

    monkeypatch.setattr("appliance.notebook.files.os.replace", replace)
    notebook.forget("notes.md", 2, 2, "ana")
    assert (root / "notes.md").read_text() == "a\nb\nby hand\n"
    assert anywhere(notebook, "4711") == []


def test_no_file_of_the_box_holds_the_words_any_more(
    tmp_path: Path, root: Path, database: Database, clock: Any
) -> None:
    notebook = Notebook(root, database, NotebookSections("home", clock), "UTC", clock)
    notebook.settle()
    notebook.capture(Note(text="zanzibar quokka marmalade"), "phone", "key-1")
    captured = notebook.capture(Note(text="something else"), "phone")
    notebook.forget(DAY, 5, captured.first_line - 4, "ana")
    for path in tmp_path.rglob("*"):
        if path.is_file():
            raw = path.read_bytes()
            assert not any(word in raw for word in (b"zanzibar", b"quokka", b"marmalad")), path
    assert "something else" in notebook.read(DAY).text


@pytest.mark.parametrize(
    ("lines", "first", "last", "left"),
    [
        (["a", "b", "c"], 2, 2, ["a", "c"]),
        (["a", "", "b", "", "c"], 3, 3, ["a", "", "c"]),
        (["#", "", "---", "", "x", "", "---", "", "y"], 5, 5, ["#", "", "---", "", "y"]),
        (["#", "", "---", "", "x", "", "---", "", "y"], 9, 9, ["#", "", "---", "", "x"]),
        (["a"], 1, 1, []),
        (["---", "", "x"], 3, 3, []),
    ],
)
def test_what_set_the_lines_off_goes_with_them(lines: list[str], first: int, last: int, left: list[str]) -> None:
    assert cut_out(lines, first, last) == left
