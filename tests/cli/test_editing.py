"""Editing in $EDITOR: saved as a version, merged or handed back with both sides marked, and never lost."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

Editor = Callable[[str], dict[str, str]]


def drafts(membox: Any) -> list[Path]:
    return sorted(Path(membox.environ["XDG_STATE_HOME"]).glob("membox/drafts/*"))


def text_of(membox: Any, path: str) -> str:
    return str(membox.json("memory", "show", path)["text"])


def write(membox: Any, editor: Editor, path: str, text: str) -> None:
    membox("memory", "edit", path, environ=editor(f"printf '{text}' > \"$1\""))


def test_an_edit_is_saved_as_a_version_and_leaves_no_draft(box: Any, editor: Editor) -> None:
    write(box, editor, "projects/house.md", "# House\\n\\nRoof: done\\n")
    done = box.json("memory", "edit", "projects/house.md", environ=editor("sed -i 's/done/leaks/' \"$1\""))
    assert (done["path"], done["version"]) == ("projects/house.md", 2)
    assert text_of(box, "projects/house.md") == "# House\n\nRoof: leaks\n"
    assert drafts(box) == []


def test_leaving_the_editor_without_a_change_saves_nothing(box: Any, editor: Editor) -> None:
    write(box, editor, "projects/house.md", "# House\\n")
    done = box("memory", "edit", "projects/house.md", environ=editor("true"))
    assert "Nothing changed" in done.stderr
    assert box.json("memory", "list")["documents"] != []
    assert len(box.json("memory", "history", "projects/house.md")["versions"]) == 1
    assert drafts(box) == []


def test_other_commands_work_while_the_editor_is_open(box: Any, editor: Editor) -> None:
    note = shlex.join(box.command("note", "meanwhile"))
    done = box.process("memory", "edit", "projects/house.md", environ=editor(f"{note} && printf '# House\\n' > \"$1\""))
    assert "Noted at" in done.stdout
    assert text_of(box, "projects/house.md") == "# House\n"


def test_a_change_elsewhere_in_the_file_meanwhile_is_merged(box: Any, editor: Editor, tmp_path: Path) -> None:
    write(box, editor, "a.md", "one\\n\\n2\\n\\n3\\n\\n4\\n\\nfive\\n")
    other = tmp_path / "other.sh"
    other.write_text("#!/bin/sh\nsed -i 's/five/FIVE/' \"$1\"\n")
    other.chmod(0o755)
    inner = f"EDITOR={other} {shlex.join(box.command('memory', 'edit', 'a.md'))}"
    done = box.json(
        "memory", "edit", "a.md", environ=editor(f'[ -n "$INNER" ] || INNER=1 {inner} >&2; sed -i \'s/one/ONE/\' "$1"')
    )
    assert done["merged"] is True
    assert text_of(box, "a.md") == "ONE\n\n2\n\n3\n\n4\n\nFIVE\n"


def crossing(box: Any, tmp_path: Path, then: str) -> str:
    """An editor's script: the first time, another edit of the same line comes between; afterwards, `then`."""
    other = tmp_path / "other.sh"
    other.write_text("#!/bin/sh\nprintf 'theirs\\n' > \"$1\"\n")
    other.chmod(0o755)
    inner = f"EDITOR={other} {shlex.join(box.command('memory', 'edit', 'a.md'))} >&2"
    marker = tmp_path / "first-done"
    return f"if [ -e {marker} ]; then {then}; else touch {marker}; {inner}; printf 'mine\\n' > \"$1\"; fi"


def test_a_conflict_comes_back_into_the_editor_with_both_sides_and_is_saved_when_settled(
    box: Any, editor: Editor, tmp_path: Path
) -> None:
    write(box, editor, "a.md", "base\\n")
    seen = tmp_path / "seen"
    settle = f'cp "$1" {seen}; printf \'both\\n\' > "$1"'
    done = box("memory", "edit", "a.md", environ=editor(crossing(box, tmp_path, settle)))
    assert "both sides marked" in done.stderr
    assert "mine" in seen.read_text()
    assert "theirs" in seen.read_text()
    assert "<<<<<<<" in seen.read_text()
    assert text_of(box, "a.md") == "both\n"
    assert drafts(box) == []


def test_a_conflict_settled_in_part_comes_back_once_more(box: Any, editor: Editor, tmp_path: Path) -> None:
    write(box, editor, "a.md", "base\\n")
    half = tmp_path / "half-done"
    settle = f'if [ -e {half} ]; then printf \'both\\n\' > "$1"; else touch {half}; echo more >> "$1"; fi'
    done = box("memory", "edit", "a.md", environ=editor(crossing(box, tmp_path, settle)))
    assert "still have both sides marked" in done.stderr
    assert text_of(box, "a.md") == "both\n"


def test_a_conflict_left_unsettled_saves_nothing_and_keeps_the_draft(box: Any, editor: Editor, tmp_path: Path) -> None:
    write(box, editor, "a.md", "base\\n")
    done = box("memory", "edit", "a.md", environ=editor(crossing(box, tmp_path, "true")), code=1)
    (draft,) = drafts(box)
    assert str(draft) in done.stderr
    assert "mine" in draft.read_text()
    assert text_of(box, "a.md") == "theirs\n"


def test_what_the_box_refuses_is_kept_as_a_draft(box: Any, editor: Editor) -> None:
    too_long = "head -c 2000000 /dev/zero | tr '\\0' x > \"$1\""
    done = box("memory", "edit", "a.md", environ=editor(too_long), code=1)
    (draft,) = drafts(box)
    assert draft.stat().st_size == 2_000_000
    assert draft.stat().st_mode & 0o777 == 0o600
    assert str(draft) in done.stderr


def test_a_path_that_cannot_be_is_refused_before_anything_is_written(box: Any, editor: Editor) -> None:
    done = box("memory", "edit", "../outside.md", environ=editor("touch opened"), code=1)
    assert "outside" in done.stderr
    assert drafts(box) == []


def test_an_editor_that_fails_is_told_and_what_it_wrote_is_kept(box: Any, editor: Editor) -> None:
    done = box("memory", "edit", "a.md", environ=editor("printf 'half\\n' > \"$1\"; exit 3"), code=1)
    (draft,) = drafts(box)
    assert draft.read_text() == "half\n"
    assert "EDITOR" in done.stderr


def test_an_editor_that_is_not_there_is_told_and_leaves_nothing(box: Any) -> None:
    done = box("memory", "edit", "a.md", environ={"EDITOR": "/no/such/editor"}, code=1)
    assert "editor" in done.stderr
    assert drafts(box) == []


def test_text_that_is_no_utf8_is_kept_and_told(box: Any, editor: Editor) -> None:
    done = box("memory", "edit", "a.md", environ=editor("printf '\\377\\n' > \"$1\""), code=1)
    assert "UTF-8" in done.stderr
    assert len(drafts(box)) == 1


def test_a_draft_that_was_not_saved_is_pointed_out_the_next_time(box: Any, editor: Editor) -> None:
    box("memory", "edit", "a.md", environ=editor("printf 'half\\n' > \"$1\"; exit 3"), code=1)
    (draft,) = drafts(box)
    done = box("memory", "edit", "a.md", environ=editor("true"))
    assert str(draft) in done.stderr
    assert draft.read_text() == "half\n"


def test_an_empty_text_is_not_saved_without_asking(box: Any, editor: Editor) -> None:
    write(box, editor, "a.md", "base\\n")
    box("memory", "edit", "a.md", environ=editor(': > "$1"'), code=1)
    assert text_of(box, "a.md") == "base\n"
    box("memory", "edit", "a.md", environ=editor(': > "$1"'), stdin="y\n")
    assert text_of(box, "a.md") == ""
