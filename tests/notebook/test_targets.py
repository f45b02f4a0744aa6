"""The targets of a box, and the check-ins of other machines: who drifts, who is silent, and who is told of it once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import InvalidError, NotFoundError, PreconditionError
from appliance.instruction_files import Seen
from appliance.managed_block import State
from appliance.notebook import Notebook
from appliance.notebook.targets import Targets, checkins
from appliance.storage import Database

CURATED = "GLOBAL_MEMORY.md"
LAPTOP = "/home/me/CLAUDE.md"


@pytest.fixture
def told() -> list[str]:
    """What was notified."""
    return []


@pytest.fixture
def targets(root: Path, notebook: Notebook, database: Database, clock: Any, told: list[str], tmp_path: Path) -> Targets:
    (root.parent / "config.toml").write_text("")
    return Targets(
        root.parent, notebook, database, clock, lambda title, body, **_: told.append(body), tmp_path / "no-socket"
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "repository" / "CLAUDE.md"
    path.parent.mkdir()
    path.write_text("Mine.\n")
    return path


@pytest.fixture
def learn(notebook: Notebook) -> Callable[[str], None]:
    """The curated memory has one more line."""

    def learned(line: str) -> None:
        notebook.edit({CURATED: lambda text: f"{text}\n- {line}\n"}, "me", "test")

    return learned


sqlite_only = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def laptop(state: State = State.CURRENT, hash_: str | None = None, said: str = "") -> list[Seen]:
    return [Seen(LAPTOP, state, hash_, said)]


@sqlite_only
def test_a_new_memory_is_written_at_the_next_look_and_nothing_else_is(
    targets: Targets, file: Path, learn: Callable[[str], None]
) -> None:
    targets.add(str(file))
    targets.keep_up()
    before = file.stat().st_mtime_ns
    targets.keep_up()
    assert file.stat().st_mtime_ns == before
    learn("Water the ferns.")
    targets.keep_up()
    assert "Water the ferns." in file.read_text()


@sqlite_only
def test_a_box_without_settings_has_no_targets(targets: Targets, root: Path) -> None:
    (root.parent / "config.toml").unlink()
    targets.keep_up()
    assert targets.check_drift() == "There are no targets."


@sqlite_only
def test_what_was_changed_by_hand_waits_for_the_person_or_a_new_memory(
    targets: Targets, file: Path, learn: Callable[[str], None], told: list[str]
) -> None:
    targets.add(str(file))
    file.write_text(file.read_text().replace("Hard", "Soft"))
    assert "1 of them not as they should be" in targets.check_drift()
    assert "Soft" in file.read_text()
    assert told == [f"{file} is edited. Changed by hand inside the block."]
    learn("Water the ferns.")
    targets.keep_up()
    assert "Soft" not in file.read_text()


@sqlite_only
def test_a_file_that_was_deleted_comes_back_with_the_drift_check(targets: Targets, file: Path) -> None:
    targets.add(str(file))
    file.unlink()
    targets.check_drift()
    assert file.read_text().startswith("<!-- membox:begin")


def test_drift_and_silence_are_told_once_and_again_when_they_come_back(
    targets: Targets, clock: Any, told: list[str]
) -> None:
    current = targets.check_in("laptop", "me", [])
    targets.check_in("laptop", "me", laptop(State.EDITED, "0" * 64, "Changed by hand inside the block."))
    targets.check_drift()
    targets.check_drift()
    assert told == [f"{LAPTOP} on laptop is edited. Changed by hand inside the block."]
    targets.check_in("laptop", "me", laptop(State.EDITED, "0" * 64))
    targets.check_drift()
    assert len(told) == 1
    targets.check_in("laptop", "me", laptop(State.CURRENT, current))
    targets.check_drift()
    clock.pass_time(hours=100)
    targets.check_drift()
    targets.check_drift()
    assert len(told) == 2
    assert "has not checked in since 2026-11-20" in told[1]


@sqlite_only
def test_what_could_not_be_handed_over_is_told_again(
    root: Path, notebook: Notebook, database: Database, clock: Any, tmp_path: Path
) -> None:
    handed, bodies = iter([False, True, True]), []

    def notify(_title: str, body: str) -> bool:
        bodies.append(body)
        return next(handed)

    (root.parent / "config.toml").write_text("")
    targets = Targets(root.parent, notebook, database, clock, notify, tmp_path / "no-socket")
    targets.check_in("laptop", "me", laptop(State.EDITED, "0" * 64))
    for _ in range(3):
        targets.check_drift()
    assert len(bodies) == 2


def test_a_machine_is_behind_until_its_next_check_in_and_nobody_is_called(
    targets: Targets, learn: Callable[[str], None], told: list[str]
) -> None:
    targets.check_in("laptop", "me", laptop(State.CURRENT, targets.check_in("laptop", "me", [])))
    learn("Water the ferns.")
    (row,) = targets.overview()
    assert (row.state, row.behind, row.sentence) == (State.STALE, True, "")
    targets.check_drift()
    assert told == []


def test_a_machine_that_checks_in_with_an_old_block_drifts(targets: Targets) -> None:
    targets.check_in("laptop", "me", laptop(State.STALE, "0" * 64))
    (row,) = targets.overview()
    assert (row.behind, row.sentence) == (False, f"{LAPTOP} on laptop is stale.")


def test_a_machine_tells_of_all_its_targets_at_once(targets: Targets) -> None:
    targets.check_in("laptop", "me", [*laptop(), Seen("/a", State.MISSING), Seen("/b", State.DAMAGED)])
    targets.check_in("desk", "me", laptop())
    targets.check_in("laptop", "me", laptop())
    assert [(row.machine, row.path) for row in targets.overview()] == [("desk", LAPTOP), ("laptop", LAPTOP)]
    assert targets.forget_machine("desk") == 1
    assert [row.machine for row in targets.overview()] == ["laptop"]
    for machine in ("desk", ""):
        with pytest.raises(NotFoundError):
            targets.forget_machine(machine)


def test_machines_are_not_without_number(targets: Targets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkins, "_MOST_MACHINES", 2)
    targets.check_in("one", "me", laptop())
    targets.check_in("two", "me", laptop())
    with pytest.raises(PreconditionError):
        targets.check_in("three", "me", laptop())
    targets.check_in("two", "me", laptop())


@sqlite_only
@pytest.mark.parametrize("path", ["CLAUDE.md", "~nobody-of-that-name/CLAUDE.md", "/a\0b", "/" + "a" * 600])
def test_a_target_is_an_absolute_path(targets: Targets, path: str) -> None:
    with pytest.raises(InvalidError):
        targets.add(path)


@sqlite_only
def test_a_setting_that_leads_into_the_notebook_writes_nothing_there(
    targets: Targets, root: Path, notebook: Notebook
) -> None:
    before = notebook.read(CURATED).text
    (root.parent / "config.toml").write_text(f'[paths]\ntargets = ["{root / CURATED}"]\n')
    targets.keep_up()
    assert notebook.read(CURATED).text == before
    assert targets.overview()[0].state is State.UNWRITABLE
