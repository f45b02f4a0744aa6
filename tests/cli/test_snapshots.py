"""`membox backup snapshot | drill | recovery-key`: as a person uses them, beside a daemon and without one."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def restic() -> None:
    if not shutil.which("restic"):
        pytest.skip("no restic: install Debian's package restic")


@pytest.fixture
def repository(box: Any, tmp_path: Path) -> Path:
    box("note", "The spare key is in the blue tin")
    box("config", "set", "backups.snapshot_repository", str(tmp_path / "snapshots"))
    box.environ["XDG_CONFIG_HOME"] = str(tmp_path / "config")  # where the master key of the secrets is
    return tmp_path / "snapshots"


def test_from_the_first_snapshot_to_a_box_on_an_empty_machine(box: Any, repository: Path, tmp_path: Path) -> None:
    taken = box.json("backup", "snapshot")
    assert repository.is_dir()
    assert [row["id"] for row in box.json("backup", "list")["snapshots"]] == [taken["id"]]
    assert "recall answers" in box("backup", "drill").stdout
    key = box.json("backup", "recovery-key")["key"]
    words = ("backup", "restore", "--snapshot", "latest", "--repository", str(repository))
    box(*words, "--to", str(tmp_path / "new"), stdin=key.lower().replace("-", ""))
    assert "blue tin" in box("--home", str(tmp_path / "new"), "recall", "spare key").stdout
    assert "does not open" in box(*words, "--to", str(tmp_path / "other"), stdin="wrong", code=1).stderr
    assert not (tmp_path / "other").exists()
    subprocess.run(
        ["restic", "--repo", repository, "cat", "config"], env={"RESTIC_PASSWORD": key, "PATH": "/usr/bin"}, check=True
    )


def test_beside_a_running_daemon(served: Any, repository: Path) -> None:
    served("backup", "snapshot")
    assert "recall answers" in served("backup", "drill").stdout
    status = served.json("status")
    checks = {check["check"]: check["severity"] for check in status["checks"]}
    assert (checks["snapshots"], checks["drill"], checks["recovery_key"]) == ("ok", "ok", "warn")
    assert not list((served.home / "run" / "snapshot").glob("*"))
    held = served("forget", served.json("recall", "spare key")["items"][0]["memory_id"], code=None)
    assert str(repository) in held.stdout + held.stderr


def test_the_recovery_key_is_shown_once_and_asked_for_later(box: Any, repository: Path) -> None:
    key = box("backup", "recovery-key").stdout.strip()
    assert "shown once" in box("backup", "recovery-key", code=1).stderr
    assert "not the recovery key" in box("backup", "recovery-key", "--confirm", stdin="AAAA", code=1).stderr
    assert "any machine" in box("backup", "recovery-key", "--confirm", stdin=key + "\n").stdout


def test_of_two_commands_that_make_a_key_at_once_both_use_the_one_that_is_kept(
    box: Any, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "appliance.cli.snapshots._key", lambda _: None
    )  # as the second saw it, before the first's was kept
    box("secrets", "set", "restic-password", stdin="OF-THE-FIRST")
    monkeypatch.setattr(
        "appliance.cli.snapshots._required_key", lambda box: box.get("/v1/secrets/restic-password")["value"]
    )
    assert box("backup", "recovery-key").stdout.strip() == "OF-THE-FIRST"


def test_no_key_is_made_for_another_box_s_repository(box: Any, repository: Path) -> None:
    box("backup", "recovery-key")
    box("secrets", "rm", "restic-password")
    (box.home / "backup-state.json").unlink()
    assert "does not open" in box("backup", "snapshot", code=1).stderr
    assert box.json("secrets", "list")["names"] == []


def test_the_mirror_is_listed_although_the_repository_is_away(box: Any, repository: Path) -> None:
    box("backup", "snapshot")
    repository.rename(repository.with_name("away"))
    listed = box.json("backup", "list")
    assert (listed["snapshots"], "no snapshot repository" in listed["snapshots_error"]) == ([], True)


def test_what_is_missing_is_said(box: Any) -> None:
    assert "backups.snapshot_repository" in box("backup", "snapshot", code=2).stderr
    assert "backups.snapshot_repository" in box("backup", "drill", code=2).stderr
    assert "--snapshot" in box("backup", "restore", code=2).stderr
    elsewhere = {"MEMBOX_URL": "http://127.0.0.1:1", "MEMBOX_API_KEY": "x"}
    assert "on the box itself" in box("backup", "snapshot", code=2, environ=elsewhere).stderr


@pytest.mark.parametrize(
    "place",
    [
        "sftp:",
        "sftp:-oX=y:/d",
        "sftp://-oX=y/d",
        "sftp:me@-oX=y:/d",
        "relative/path",
        "rest:https://me:secret@nas/box",
        "s3:bucket",
        "rest:ftp://nas/",
    ],
)
def test_a_place_that_is_none_is_refused_without_its_password(box: Any, place: str) -> None:
    refused = box("config", "set", "backups.snapshot_repository", place, code=2).stderr
    assert "allowed: an absolute path, sftp:" in refused
    assert "secret" not in refused.replace("restic", "")


def test_a_place_inside_the_home_is_refused(box: Any) -> None:
    assert "lost with it" in box("config", "set", "backups.snapshot_repository", str(box.home / "x"), code=2).stderr
