"""A copy becomes the same box again, or the sentence says why not and nothing has changed."""

import json
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.backup.restore import restore
from appliance.box import Box, open_box
from appliance.daemon.runs import Runs
from appliance.daemon.schedule import mirror_now
from appliance.errors import ConflictError, NotFoundError, StorageError, StorageFullError, UnavailableError
from appliance.lease import DAEMON, Lease
from appliance.memory.models import RecallRequest
from appliance.notebook.models import Note
from appliance.storage import copies


def everything(box: Box) -> dict[str, Any]:
    """What a person could see of a box."""
    documents = [document.path for document in box.notebook.documents()]
    request = RecallRequest(tenant_id="home", agent_id="owner", query="rosemary plum tree spare key", explain=True)
    recalled = box.memory.recall(box.access.owner, request)
    past = box.notebook.past
    return {
        "files": {path: (box.home / "notebook" / path).read_bytes() for path in documents},
        "history": {path: past.history(path) for path in documents},
        "versions": {path: [past.version(path, info.number) for info in past.history(path)] for path in documents},
        "origins": {path: past.origins(path) for path in documents},
        "recalled": [item.model_dump() for item in recalled.items],
        "conflicts": recalled.conflicts,
        "keys": box.access.keys(),
        "settings": (box.home / "config.toml").read_bytes(),
    }


def test_the_restored_box_is_the_same(box: Box, mirror: Path, tmp_path: Path, opened: Callable[[Path], Box]) -> None:
    box.backup.mirror()
    before = everything(box)
    assert before["recalled"]
    restored = restore(mirror, tmp_path / "second")
    assert (restored.moved_to, restored.skipped) == (None, [])
    second = opened(tmp_path / "second")
    assert everything(second) == before
    assert copies.counts(second.config.database_path) == restored.counts
    assert second.database.check() == []


def test_no_job_runs_or_was_broken_off_in_the_restored_box(
    box: Box, mirror: Path, tmp_path: Path, opened: Callable[[Path], Box]
) -> None:
    mirror_now(box)
    restore(mirror, tmp_path / "second")
    second = opened(tmp_path / "second")
    assert Runs(second.database, second.clock).last("mirror") is None


def test_a_key_made_before_opens_the_restored_box(
    box: Box, mirror: Path, tmp_path: Path, opened: Callable[[Path], Box]
) -> None:
    from appliance.principal import Role

    key = box.access.create_key("laptop", "home", "laptop", Role.WRITER)
    box.backup.mirror()
    restore(mirror, tmp_path / "second")
    who = opened(tmp_path / "second").access.principal_of_key(key.key)
    assert who is not None
    assert (who.agent_id, who.role) == ("laptop", Role.WRITER)


def test_the_restored_box_goes_on_from_there(
    box: Box, mirror: Path, tmp_path: Path, opened: Callable[[Path], Box]
) -> None:
    box.backup.mirror()
    restore(mirror, tmp_path / "second")
    second = opened(tmp_path / "second")
    second.notebook.capture(Note(text="after the restore"), "owner")
    assert "after the restore" in second.notebook.read(second.notebook.today()).text
    assert second.backup.mirror().changed


def test_the_files_are_for_their_owner_only(box: Box, mirror: Path, tmp_path: Path) -> None:
    box.backup.mirror()
    restore(mirror, tmp_path / "second")
    for path in (tmp_path / "second").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_one_generation_can_be_chosen(box: Box, mirror: Path, tmp_path: Path, opened: Callable[[Path], Box]) -> None:
    first = box.backup.mirror().generation
    box.notebook.capture(Note(text="later words"), "owner")
    box.backup.mirror()
    restored = restore(mirror / "generations" / first, tmp_path / "second")
    assert restored.generation == first
    second = opened(tmp_path / "second")
    assert "later words" not in second.notebook.read(second.notebook.today()).text


def test_a_damaged_copy_is_passed_over_for_the_one_before(box: Box, mirror: Path, tmp_path: Path) -> None:
    first = box.backup.mirror().generation
    box.notebook.capture(Note(text="more"), "owner")
    second = box.backup.mirror().generation
    (mirror / "generations" / second / "membox.db").write_bytes(b"not any more")
    restored = restore(mirror, tmp_path / "second")
    assert restored.generation == first
    assert second in restored.skipped[0]
    with pytest.raises(StorageError, match="damaged"):
        restore(mirror / "generations" / second, tmp_path / "third")


def test_a_home_with_a_box_is_refused_and_left_alone(box: Box, mirror: Path, tmp_path: Path) -> None:
    box.backup.mirror()
    occupied = tmp_path / "second"
    (occupied / "notebook").mkdir(parents=True)
    (occupied / "notebook" / "mine.md").write_text("mine")
    with pytest.raises(ConflictError, match="--replace"):
        restore(mirror, occupied)
    assert (occupied / "notebook" / "mine.md").read_text() == "mine"
    assert not (occupied / "membox.db").exists()


def test_a_box_that_nobody_has_used_makes_room(box: Box, mirror: Path, tmp_path: Path) -> None:
    box.backup.mirror()
    new = tmp_path / "second"
    new.mkdir()
    (new / "config.toml").write_text("")
    fresh = open_box(new)
    fresh.close()
    assert restore(mirror, new).moved_to is not None
    with pytest.raises(ConflictError, match="--replace"):
        restore(mirror, new)


def test_a_replaced_box_is_moved_aside_and_its_place_is_said(box: Box, mirror: Path, tmp_path: Path) -> None:
    box.backup.mirror()
    occupied = tmp_path / "second"
    occupied.mkdir()
    (occupied / "mine.md").write_text("mine")
    restored = restore(mirror, occupied, replace=True)
    assert restored.moved_to is not None
    assert (Path(restored.moved_to) / "mine.md").read_text() == "mine"
    assert (occupied / "membox.db").exists()
    assert not (occupied / "mine.md").exists()


def test_a_home_in_use_is_refused(box: Box, mirror: Path, tmp_path: Path) -> None:
    box.backup.mirror()
    with Lease.acquire(tmp_path / "second", DAEMON), pytest.raises(UnavailableError, match="membox daemon stop"):
        restore(mirror, tmp_path / "second", replace=True)


def test_nothing_to_restore_from_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no good copy"):
        restore(tmp_path, tmp_path / "second")
    assert not (tmp_path / "second").exists()


def test_a_manifest_that_names_files_elsewhere_is_refused(box: Box, mirror: Path, tmp_path: Path) -> None:
    generation = mirror / "generations" / box.backup.mirror().generation
    manifest = json.loads((generation / "manifest.json").read_text())
    manifest["files"]["../../escaped"] = manifest["files"]["membox.db"]
    (generation / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StorageError, match="outside"):
        restore(generation, tmp_path / "second")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can restore another user's home")
def test_root_takes_nothing_along_to_which_the_owner_of_the_home_has_no_right(
    box: Box, mirror: Path, tmp_path: Path
) -> None:
    box.backup.mirror()
    home, owner = tmp_path / "second", 4321
    (home / "keyring").mkdir(parents=True)
    (home / "keyring" / "own").write_text("theirs")
    for path in (home, *home.rglob("*")):
        os.chown(path, owner, owner)
    restore(mirror, home, replace=True)
    assert {path.lstat().st_uid for path in (home, *home.rglob("*"))} == {owner}
    assert (home / "keyring" / "own").read_text() == "theirs"
    (tmp_path / "roots").write_text("root's alone")
    (home / "keyring" / "led").symlink_to(tmp_path / "roots")
    with pytest.raises(StorageError, match="another user's"):
        restore(mirror, home, replace=True)
    assert not [path for path in tmp_path.glob("second*/keyring/led") if not path.is_symlink()]
    assert (home / "config.toml").exists()


def test_a_full_disk_leaves_nothing_half(box: Box, mirror: Path, tmp_path: Path) -> None:
    box.backup.mirror()
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(small)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root may mount the small disk that this test fills")
    try:
        with pytest.raises(StorageFullError) as failed:
            restore(mirror, small / "box")
        assert "full" in failed.value.sentence
        assert [path.name for path in small.iterdir()] == ["box"]
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_home_that_is_a_link_stays_one(box: Box, mirror: Path, tmp_path: Path) -> None:
    box.backup.mirror()
    disk = tmp_path / "other-disk"
    disk.mkdir()
    (disk / "box").mkdir()
    (tmp_path / "home-link").symlink_to(disk / "box")
    restore(mirror, tmp_path / "home-link")
    assert (tmp_path / "home-link").is_symlink()
    assert (disk / "box" / "membox.db").exists()
    assert [entry.name for entry in disk.iterdir()] == ["box"]
