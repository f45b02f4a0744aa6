"""Targets as files: links, permissions, other writers, and what was changed by hand."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance import durable, instruction_files
from appliance.instruction_files import bring, do, look
from appliance.managed_block import State

MEMORY = "# Memory\n\n- Tea, not coffee.\n"


@pytest.fixture
def aside(tmp_path: Path) -> Path:
    return tmp_path / "aside"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "repository" / "CLAUDE.md"


@pytest.fixture
def mine(target: Path) -> Path:
    """A target with a person's own text."""
    target.parent.mkdir()
    target.write_bytes(b"Use tabs.")
    return target


def test_a_file_that_is_not_there_is_made_for_its_owner_only(target: Path, aside: Path) -> None:
    assert bring(str(target), MEMORY, aside).state is State.CURRENT
    assert "Tea, not coffee." in target.read_text()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_what_only_held_the_block_goes_and_what_is_the_persons_stays(target: Path, mine: Path, aside: Path) -> None:
    other = target.with_name("AGENTS.md")
    do("sync", [str(target), str(other)], MEMORY, aside)
    assert [seen.state for seen in do("remove", [str(target), str(other)], "", aside)] == [State.MISSING] * 2
    assert mine.read_bytes() == b"Use tabs."
    assert not other.exists()


def test_permissions_stay(mine: Path, aside: Path) -> None:
    mine.chmod(0o664)
    bring(str(mine), MEMORY, aside)
    assert stat.S_IMODE(mine.stat().st_mode) == 0o664


def test_a_link_stays_a_link_and_its_file_is_written(mine: Path, aside: Path) -> None:
    link = mine.with_name("AGENTS.md")
    link.symlink_to("CLAUDE.md")
    assert bring(str(link), MEMORY, aside).state is State.CURRENT
    assert link.is_symlink()
    assert "Tea, not coffee." in mine.read_text()
    assert look(str(mine), MEMORY).state is State.CURRENT


def test_a_file_of_two_names_is_left_alone(mine: Path, aside: Path) -> None:
    os.link(mine, mine.with_name("AGENTS.md"))
    seen = bring(str(mine), MEMORY, aside)
    assert (seen.state, mine.read_bytes()) == (State.UNWRITABLE, b"Use tabs.")
    assert "second name" in seen.said


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: os.mkfifo(path), lambda path: path.symlink_to(path)])
def test_what_is_no_file_is_told(target: Path, aside: Path, make: Callable[[Path], None]) -> None:
    target.parent.mkdir()
    make(target)
    assert bring(str(target), MEMORY, aside).state is State.UNWRITABLE
    assert look(str(target), MEMORY).state is State.UNWRITABLE


def test_damaged_markers_are_told_and_the_file_stays(mine: Path, aside: Path) -> None:
    mine.write_bytes(b"<!-- membox:begin -->\nUse tabs.\n")
    for how in ("sync", "automatic", "check", "remove"):
        (seen,) = do(how, [str(mine)], MEMORY, aside)
        assert seen.state is State.DAMAGED
        assert "line 1" in seen.said
    assert mine.read_bytes() == b"<!-- membox:begin -->\nUse tabs.\n"


def test_a_block_changed_by_hand_is_put_aside_before_it_is_replaced(mine: Path, aside: Path) -> None:
    bring(str(mine), MEMORY, aside)
    mine.write_bytes(mine.read_bytes().replace(b"Tea", b"Milk"))
    assert look(str(mine), MEMORY).state is State.EDITED
    assert bring(str(mine), MEMORY, aside, automatic=True).state is State.EDITED
    seen = bring(str(mine), MEMORY, aside)
    assert seen.state is State.CURRENT
    (kept,) = aside.iterdir()
    assert "Milk, not coffee." in kept.read_text()
    assert str(kept) in seen.said


def test_a_new_memory_replaces_also_a_changed_block_and_keeps_it(mine: Path, aside: Path) -> None:
    bring(str(mine), MEMORY, aside)
    mine.write_bytes(mine.read_bytes().replace(b"Tea", b"Milk"))
    assert bring(str(mine), MEMORY + "- New.\n", aside, automatic=True).state is State.CURRENT
    assert "Milk" in next(aside.iterdir()).read_text()


def test_a_current_file_is_not_written_again(mine: Path, aside: Path) -> None:
    bring(str(mine), MEMORY, aside)
    before = mine.stat()
    bring(str(mine), MEMORY, aside)
    assert mine.stat() == before


def test_an_edit_that_slips_in_between_is_kept(mine: Path, aside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edits = iter([b"Use spaces."])
    really = durable._looks_like

    def slipping_in(file: Path, before: os.stat_result | None) -> bool:
        for edit in edits:
            mine.write_bytes(edit)
        return really(file, before)

    monkeypatch.setattr(durable, "_looks_like", slipping_in)
    assert bring(str(mine), MEMORY, aside).state is State.CURRENT
    assert mine.read_bytes().startswith(b"Use spaces.\n<!-- membox:begin")


def test_what_a_killed_write_left_is_cleared_away_later(mine: Path, aside: Path) -> None:
    old, new = (mine.with_name(f".CLAUDE.md.membox-{name}") for name in ("old", "new"))
    for left in (old, new):
        left.write_text("half")
    os.utime(old, (1, 1))
    bring(str(mine), MEMORY, aside)
    assert (old.exists(), new.exists()) == (False, True)


def test_the_notebook_is_never_written_into_itself(tmp_path: Path) -> None:
    notebook = tmp_path / "notebook"
    notebook.mkdir()
    link = tmp_path / "CLAUDE.md"
    link.symlink_to(notebook / "GLOBAL_MEMORY.md")
    assert instruction_files.kept_out([str(link), str(tmp_path / "AGENTS.md")], notebook) == [str(link)]


def test_a_path_that_leads_nowhere_is_told(aside: Path) -> None:
    for path in ("relative.md", "~nobody-of-that-name/CLAUDE.md", "/a\0b"):
        assert bring(path, MEMORY, aside).state is State.UNWRITABLE
