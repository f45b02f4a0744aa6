"""Snapshots off the box: restored they are the same box, on bad days nothing is lost, and everything is remembered."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from appliance.backup import state
from appliance.backup.drill import Drill
from appliance.backup.fetching import LATEST, restore_snapshot
from appliance.backup.recovery_key import as_made, is_same, new_key
from appliance.backup.restic import Restic
from appliance.backup.service import OWN_COPY
from appliance.backup.snapshots import Snapshots
from appliance.box import Box
from appliance.config_file import set_value
from appliance.daemon.findings import Finding, Severity
from appliance.daemon.health import findings
from appliance.daemon.jobs import DRILL, Job, jobs_of
from appliance.daemon.proving import prove
from appliance.daemon.schedule import copy_for_snapshot, mirror_now
from appliance.errors import (
    ConflictError,
    ForbiddenError,
    MemboxError,
    NotConfiguredError,
    StorageError,
    StorageFullError,
    UnavailableError,
)
from appliance.memory.models import RecallRequest
from appliance.notebook.models import Note

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("restic")]

KEY = new_key()


def nothing(_done: int, _total: int) -> None:
    """No progress is shown."""


@dataclass
class Kept:
    """A box with a repository for its snapshots."""

    box: Box
    repository: Path

    @property
    def restic(self) -> Restic:
        return Restic(str(self.repository), KEY)

    @property
    def snapshots(self) -> Snapshots:
        return Snapshots(self.box.home, self.box.backup.settings, self.restic, self.box.clock)

    def take(self, **how: bool) -> str:
        return self.snapshots.take(lambda: copy_for_snapshot(self.box), nothing, **how).id

    def drill(self) -> str:
        return Drill(self.box.home, prove, self.box.clock).of_snapshots(self.restic, nothing).sentence

    def found(self, check: str) -> Finding:
        return next(finding for finding in findings(self.box) if finding.check == check)


@pytest.fixture
def kept(box: Box, tmp_path: Path) -> Kept:
    repository = tmp_path / "nas" / "snapshots"
    repository.parent.mkdir()
    set_value(box.home, "backups.snapshot_repository", str(repository), {})
    return Kept(box, repository)


def everything(box: Box) -> dict[str, Any]:
    documents = [document.path for document in box.notebook.documents()]
    request = RecallRequest(tenant_id="home", agent_id="owner", query="rosemary plum tree spare key", explain=True)
    return {
        "files": {path: (box.home / "notebook" / path).read_bytes() for path in documents},
        "history": {path: box.notebook.past.history(path) for path in documents},
        "recalled": [item.model_dump() for item in box.memory.recall(box.access.owner, request).items],
        "keys": box.access.keys(),
        "settings": (box.home / "config.toml").read_bytes(),
    }


def test_the_key_alone_brings_the_same_box_back_on_an_empty_machine(
    kept: Kept, tmp_path: Path, opened: Callable[[Path], Box]
) -> None:
    kept.take()
    before = everything(kept.box)
    assert before["recalled"]
    typed = KEY.lower().replace("-", " ")
    restored = restore_snapshot(Restic(str(kept.repository), as_made(typed)), LATEST, tmp_path / "new", nothing)
    assert everything(opened(tmp_path / "new")) == before
    assert restored.counts["documents"] == len(before["files"])
    assert [path.name for path in tmp_path.glob("new*")] == ["new"]


def test_an_older_snapshot_is_restored_by_its_id(kept: Kept, tmp_path: Path) -> None:
    (kept.box.home / "config.toml").write_text(
        (kept.box.home / "config.toml").read_text() + "snapshot_keep_daily = 0\nsnapshot_keep_weekly = 0\n"
        "snapshot_keep_monthly = 0\n"
    )
    first = kept.take()
    kept.box.notebook.capture(Note(text="later words"), "owner")
    kept.take()
    assert len(kept.snapshots.list()) == 2
    restore_snapshot(kept.restic, first, tmp_path / "new", nothing)
    assert b"later words" not in (tmp_path / "new" / "notebook" / kept.box.notebook.today()).read_bytes()


def test_of_one_day_the_last_snapshot_stays(kept: Kept) -> None:
    kept.take()
    between = kept.take()
    last = kept.take()
    left = [each.id for each in kept.snapshots.list()]
    assert left[0] == last
    assert between not in left  # the very first stays with a newer restic, until there are enough


def test_what_was_stored_before_is_not_stored_again_from_another_directory(kept: Kept, tmp_path: Path) -> None:
    unchanged = os.urandom(2_000_000)
    for name in ("20261119T090000Z", "20261120T090000Z"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "unchanged").write_bytes(unchanged)
        (tmp_path / name / "changed").write_text(name)
    first, second = (
        kept.snapshots.take(lambda name=name: tmp_path / name, nothing)  # type: ignore[misc]  # bound in the loop
        for name in ("20261119T090000Z", "20261120T090000Z")
    )
    assert first.added > 2_000_000
    assert second.added < 10_000


@pytest.mark.parametrize("mirror_fails", [True, False])
def test_a_snapshot_is_taken_when_the_mirror_is_not_there(
    kept: Kept, mirror: Path, tmp_path: Path, mirror_fails: bool
) -> None:
    if mirror_fails:
        mirror.parent.rmdir()
    else:
        set_value(kept.box.home, "daemon.backup_mirror_path", "", {})
    kept.take()
    assert not (kept.box.home / "run" / OWN_COPY).exists()
    restore_snapshot(kept.restic, LATEST, tmp_path / "new", nothing)


def test_another_box_s_repository_is_left_alone(kept: Kept) -> None:
    kept.take()
    other = Snapshots(kept.box.home, kept.box.backup.settings, Restic(str(kept.repository), new_key()))
    with pytest.raises(ForbiddenError, match="does not open"):
        other.take(lambda: copy_for_snapshot(kept.box), nothing)
    assert len(kept.snapshots.list()) == 1


def test_below_the_mount_point_of_a_missing_disk_no_new_repository_is_made(kept: Kept) -> None:
    kept.take()
    kept.repository.rename(kept.repository.with_name("unplugged"))
    with pytest.raises(UnavailableError, match="is the disk mounted"):
        kept.take()
    assert not kept.repository.exists()
    assert kept.take(new_repository=True)
    shutil.rmtree(kept.repository)
    kept.repository.with_name("unplugged").rename(kept.repository)
    with pytest.raises(UnavailableError, match="is the disk mounted"):
        kept.take()


def test_a_repository_whose_parent_is_missing_is_not_made(kept: Kept) -> None:
    kept.repository.parent.rmdir()
    with pytest.raises(UnavailableError, match="mounted"):
        kept.take()
    assert not kept.repository.parent.exists()


def test_only_one_works_at_a_time(kept: Kept) -> None:
    with state.alone(kept.box.home), pytest.raises(ConflictError, match="under way"):
        kept.take()


def test_a_full_disk_is_said_and_the_next_run_goes_on(kept: Kept, tmp_path: Path) -> None:
    kept.repository.mkdir()
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "incompressible").write_bytes(os.urandom(1_000_000))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(kept.repository)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root may mount the small disk that this test fills")
    try:
        with pytest.raises(StorageFullError, match="no room left"):
            kept.snapshots.take(lambda: tmp_path / "copy", nothing)
        assert "no room left" in kept.found("snapshots").sentence
        subprocess.run(["mount", "-o", "remount,size=64m", str(kept.repository)], check=True)
        assert kept.take() == kept.snapshots.list()[0].id
        assert kept.found("snapshots").severity is Severity.OK
    finally:
        subprocess.run(["umount", "--lazy", str(kept.repository)], check=True)


def test_without_restic_it_is_said_how_to_get_it(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotConfiguredError, match="apt install restic"):
        kept.take()


def test_a_drill_brings_the_newest_snapshot_back_and_leaves_nothing(kept: Kept) -> None:
    kept.take()
    assert "recall answers" in kept.drill()
    assert kept.found("drill").severity is Severity.OK
    assert not (kept.box.home / "run" / "drill").exists()


def test_a_drill_never_opens_the_live_database(kept: Kept, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept.take()
    elsewhere = tmp_path / "live.db"
    elsewhere.write_bytes(b"not to be touched")
    monkeypatch.setenv("MEMBOX_SQLITE_PATH", str(elsewhere))
    assert "recall answers" in kept.drill()
    assert elsewhere.read_bytes() == b"not to be touched"


def test_a_drill_of_a_damaged_repository_fails_and_is_found(kept: Kept) -> None:
    kept.take()
    shutil.rmtree(kept.repository / "index")
    (kept.repository / "index").mkdir()
    with pytest.raises(MemboxError):
        kept.drill()
    found = kept.found("drill")
    assert (found.severity, "membox backup drill" in found.remedy) == (Severity.ERROR, True)


def test_a_snapshot_that_holds_no_sound_box_fails_the_drill(kept: Kept) -> None:
    def damaged() -> Path:
        copy = copy_for_snapshot(kept.box)
        (copy / "notebook" / "GLOBAL_MEMORY.md").unlink()
        return copy

    kept.snapshots.take(damaged, nothing)
    with pytest.raises(StorageError, match=r"GLOBAL_MEMORY\.md is missing"):
        kept.drill()


def test_the_mirror_can_be_drilled_too(kept: Kept, mirror: Path) -> None:
    kept.box.backup.mirror()
    assert str(mirror) in Drill(kept.box.home, prove, kept.box.clock).of_mirror(mirror).sentence


def test_the_daemon_drills_the_mirror_of_a_box_that_has_nothing_else(kept: Kept) -> None:
    def drill() -> Job:
        return next(job for job in jobs_of(kept.box) if job.name == DRILL)

    mirror_now(kept.box)
    assert not drill().is_enabled()  # snapshots are drilled beside it
    set_value(kept.box.home, "backups.snapshot_repository", "", {})
    assert drill().is_enabled()
    assert "from the mirror" in drill().run()
    assert kept.found("drill").severity is Severity.OK


def test_an_old_snapshot_and_an_old_drill_are_found(kept: Kept, clock: Any) -> None:
    assert kept.found("snapshots").severity is Severity.WARN
    kept.take()
    kept.drill()
    clock.now += timedelta(days=3)
    assert kept.found("snapshots").severity is Severity.WARN
    assert kept.found("drill").severity is Severity.OK
    clock.now += timedelta(days=14)
    assert "too long ago" in kept.found("drill").sentence


@pytest.mark.parametrize("is_mirror", [True, False], ids=["mirror", "snapshot"])
def test_copies_that_were_never_drilled_are_found(kept: Kept, clock: Any, is_mirror: bool) -> None:
    def copy() -> object:
        return kept.box.backup.mirror() if is_mirror else kept.take()

    copy()
    assert kept.found("drill").severity is Severity.OK
    clock.now += timedelta(days=10)
    copy()
    clock.now += timedelta(days=6)
    found = kept.found("drill")
    assert (found.severity, "ever been drilled" in found.sentence) == (Severity.WARN, True)


def test_a_recovery_key_that_nobody_confirmed_for_long_is_found(kept: Kept, clock: Any) -> None:
    assert "backup recovery-key`" in kept.found("recovery_key").remedy
    state.update(kept.box.home, key_shown_at=kept.box.clock())
    assert "--confirm" in kept.found("recovery_key").remedy
    state.update(kept.box.home, key_confirmed_at=kept.box.clock())
    assert kept.found("recovery_key").severity is Severity.OK
    clock.now += timedelta(days=200)
    assert "still where you keep it" in kept.found("recovery_key").sentence


def test_a_damaged_state_is_as_none(kept: Kept) -> None:
    (kept.box.home / state.FILE).write_text("{")
    assert kept.box.backup.state == state.BackupState()
    kept.take()
    assert json.loads((kept.box.home / state.FILE).read_text())["snapshot"]["repository"] == str(kept.repository)


def test_this_machine_s_secrets_stay_when_its_box_is_replaced(kept: Kept) -> None:
    from appliance.backup.restore import restore

    made = kept.box.backup.mirror()
    home = kept.box.home.with_name("second")
    (home / "keyring").mkdir(parents=True)
    (home / "keyring" / "restic-password@membox").write_bytes(b"sealed")
    restore(Path(made.mirror), home, replace=True)
    assert (home / "keyring" / "restic-password@membox").read_bytes() == b"sealed"


@pytest.mark.parametrize("typed", ["abcd efgh jkmn pqrs tuvw xyz2", " ABCD-EFGH-JKMN-PQRS-TUVW-XYZ2\n"])
def test_a_key_is_known_however_it_was_written_down(typed: str) -> None:
    assert is_same(typed, "ABCD-EFGH-JKMN-PQRS-TUVW-XYZ2")
    assert not is_same(typed, "ABCD-EFGH-JKMN-PQRS-TUVW-XYZ3")


def test_a_key_of_the_persons_own_is_taken_as_it_is() -> None:
    assert as_made("correct horse-battery\n") == "correct horse-battery"
