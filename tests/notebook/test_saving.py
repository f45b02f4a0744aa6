"""Saving what a person wrote, looking back, and going back."""

from pathlib import Path
from typing import Any

import pytest

from appliance.errors import ConflictError, InvalidError, NotFoundError, StorageError, TooLargeError
from appliance.notebook.service import Notebook

TODO = "tasks/todo.md"


def started(notebook: Notebook, text: str = "a\nb\nc\n") -> int:
    return notebook.save("notes.md", text, 0, "ana").version


def test_a_new_notebook_has_the_offered_files(notebook: Notebook, root: Path) -> None:
    paths = [info.path for info in notebook.documents()]
    assert paths == ["GLOBAL_MEMORY.md", "tasks/lessons.md", TODO, "working-buffer.md"]
    text = (root / "GLOBAL_MEMORY.md").read_text()
    assert text.startswith("<!-- membox v1 -->\n# ")
    offered = ["Identity & context", "Current priorities", "Workstreams", "Standing preferences", "Hard constraints"]
    offered += ["Decisions", "Known gaps", "Where things are", "Recent completions"]
    assert [line[3:] for line in text.split("\n") if line.startswith("## ")] == offered


def test_a_saved_text_is_in_file_database_and_index(notebook: Notebook, root: Path, index: Any) -> None:
    saved = notebook.save("projects/x.md", "## Plan\nShip it.", 0, "ana")
    assert (saved.version, saved.text, saved.merged) == (1, "## Plan\nShip it.\n", False)
    assert (root / "projects/x.md").read_text() == "## Plan\nShip it.\n"
    assert index.texts("projects/x.md") == ["## Plan\nShip it."]
    document = notebook.read("projects/x.md")
    assert (document.version, document.author) == (1, "ana")


def test_the_listing_says_size_tier_and_last_change(notebook: Notebook, clock: Any) -> None:
    started(notebook, "é\nb\n")
    clock.pass_time(seconds=5)
    notebook.save("notes.md", "é\nb\nc\n", 1, "ben")
    info = next(info for info in notebook.documents() if info.path == "notes.md")
    assert (info.version, info.author, info.lines, info.bytes, info.tier) == (2, "ben", 3, 7, "other")
    assert info.changed_at == int(clock.now.timestamp() * 1000)


def test_saving_the_same_text_makes_no_version(notebook: Notebook) -> None:
    version = started(notebook)
    assert notebook.save("notes.md", "a\r\nb\nc", version, "ana").version == version


def test_a_stale_save_of_other_lines_is_merged(notebook: Notebook) -> None:
    version = started(notebook)
    notebook.save("notes.md", "A\nb\nc\n", version, "ana")
    saved = notebook.save("notes.md", "a\nb\nC\n", version, "ben")
    assert (saved.text, saved.merged) == ("A\nb\nC\n", True)


def test_a_stale_save_of_the_same_lines_is_refused_with_both_sides(notebook: Notebook, root: Path) -> None:
    version = started(notebook)
    notebook.save("notes.md", "a\nana\nc\n", version, "ana")
    with pytest.raises(ConflictError) as refused:
        notebook.save("notes.md", "a\nben\nc\n", version, "ben")
    assert refused.value.word == "edit_conflict"
    assert refused.value.detail == {
        "path": "notes.md",
        "version": 2,
        "base": "a\nb\nc\n",
        "yours": "a\nben\nc\n",
        "theirs": "a\nana\nc\n",
        "merged": "a\n<<<<<<< yours\nben\n=======\nana\n>>>>>>> version 2\nc\n",
    }
    assert (root / "notes.md").read_text() == "a\nana\nc\n"


def test_a_new_file_where_there_is_one_is_a_conflict(notebook: Notebook) -> None:
    started(notebook)
    with pytest.raises(ConflictError):
        notebook.save("notes.md", "other\n", 0, "ben")


def test_an_empty_text_must_be_meant(notebook: Notebook, root: Path) -> None:
    version = started(notebook)
    with pytest.raises(InvalidError) as refused:
        notebook.save("notes.md", " \n", version, "ana")
    assert refused.value.word == "empty_document"
    assert notebook.save("notes.md", "", version, "ana", allow_empty=True).text == ""
    assert (root / "notes.md").read_bytes() == b""


def test_bad_saves_are_refused(notebook: Notebook) -> None:
    started(notebook)
    for path, text, base, error in [
        ("../x.md", "x", 0, InvalidError),
        ("x.md", "a\0b", 0, InvalidError),
        ("x.md", "\udc80", 0, InvalidError),
        ("x.md", "x" * (4 * 1024 * 1024 + 1), 0, TooLargeError),
        ("x.md", "x", 3, NotFoundError),
        ("notes.md", "x", 7, NotFoundError),
        ("notes.md", "x", -1, NotFoundError),
    ]:
        with pytest.raises(error):
            notebook.save(path, text, base, "ana")


def test_what_is_not_there_cannot_be_read(notebook: Notebook) -> None:
    past = notebook.past
    for ask in (notebook.read, past.history, past.origins, lambda path: past.version(path, 1)):
        with pytest.raises(NotFoundError) as refused:
            ask("nothing.md")
        assert refused.value.word == "document_not_found"


def test_history_is_newest_first_and_pages_without_gap(notebook: Notebook) -> None:
    started(notebook)
    for number in range(1, 5):
        notebook.save("notes.md", f"a\nb\n{number}\n", number, "ana")
    newest = notebook.past.history("notes.md", limit=2)
    older = notebook.past.history("notes.md", before=newest[-1].number)
    assert [info.number for info in [*newest, *older]] == [5, 4, 3, 2, 1]
    assert (newest[0].lines_added, newest[0].lines_removed, newest[0].reason) == (1, 1, "save")
    everything = notebook.past.history()
    pages = notebook.past.history(limit=3)
    while page := notebook.past.history(limit=3, before=pages[-1].created_at):
        pages += page
    assert pages == everything
    assert len({info.created_at for info in everything}) == len(everything) == 9


def test_every_version_can_be_read_and_compared(notebook: Notebook) -> None:
    started(notebook)
    notebook.save("notes.md", "a\nB\nc\n", 1, "ana")
    assert notebook.past.version("notes.md", 1) == "a\nb\nc\n"
    assert notebook.past.diff("notes.md", 1, 2) == (
        "--- notes.md (version 1)\n+++ notes.md (version 2)\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"
    )
    assert "+a\n+b\n+c\n" in notebook.past.diff("notes.md", 0, 1)
    assert "-B\n+x\n" in notebook.past.diff_text("notes.md", 2, "a\nx\nc")
    with pytest.raises(NotFoundError) as refused:
        notebook.past.diff("notes.md", 1, 9)
    assert refused.value.word == "version_not_found"


def test_restoring_makes_the_old_text_the_newest(notebook: Notebook, root: Path, index: Any) -> None:
    started(notebook)
    notebook.save("notes.md", "other\n", 1, "ana")
    saved = notebook.restore("notes.md", 1, "ben")
    assert (saved.version, saved.text) == (3, "a\nb\nc\n")
    assert (root / "notes.md").read_text() == "a\nb\nc\n"
    assert index.texts("notes.md") == ["a\nb\nc"]
    assert notebook.past.history("notes.md")[0].reason == "restore"


def test_undo_goes_back_once(notebook: Notebook) -> None:
    started(notebook)
    with pytest.raises(NotFoundError) as refused:
        notebook.undo("notes.md", "ana")
    assert refused.value.word == "nothing_to_undo"
    notebook.save("notes.md", "other\n", 1, "ana")
    assert notebook.undo("notes.md", "ana").text == "a\nb\nc\n"


def test_each_line_names_the_version_that_brought_it(notebook: Notebook) -> None:
    started(notebook)
    notebook.save("notes.md", "a\nB\nc\nd\n", 1, "ben")
    notebook.save("notes.md", "0\na\nB\nc\n", 2, "eve")
    assert [(line.text, line.version, line.author) for line in notebook.past.origins("notes.md")] == [
        ("0", 3, "eve"),
        ("a", 1, "ana"),
        ("B", 2, "ben"),
        ("c", 1, "ana"),
    ]


def test_a_file_behind_a_link_is_neither_read_nor_written(notebook: Notebook, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.md").write_text("secret\n")
    (root / "linked").symlink_to(outside)
    (root / "link.md").symlink_to(outside / "secret.md")
    notebook.notice()
    assert all("secret" not in info.path and "link" not in info.path for info in notebook.documents())
    assert any("link.md" in sentence for sentence in notebook.problems())
    with pytest.raises(Exception, match="is a link"):
        notebook.save("linked/new.md", "x\n", 0, "ana")
    assert list(outside.iterdir()) == [outside / "secret.md"]


def test_a_directory_put_in_the_place_of_a_link_takes_files_again(
    notebook: Notebook, root: Path, tmp_path: Path
) -> None:
    notebook.save("linked/old.md", "old\n", 0, "ana")
    (root / "linked").rename(tmp_path / "elsewhere")
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "linked").symlink_to(outside)
    for name in ("old", "new"):
        with pytest.raises(StorageError, match="is a link"):
            notebook.save(f"linked/{name}.md", "x\n", name == "old", "ana")
    assert list(notebook.problems()) == ["linked/old.md is left alone: its directory is a link."]
    (root / "linked").unlink()
    (root / "linked").mkdir()
    notebook.save("linked/old.md", "x\n", 1, "ana")
    notebook.save("linked/new.md", "x\n", 0, "ana")
    assert [(root / "linked" / name).read_text() for name in ("old.md", "new.md")] == ["x\n", "x\n"]
    assert not notebook.problems()
