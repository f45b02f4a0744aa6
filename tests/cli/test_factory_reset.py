"""`membox factory-reset`: asked twice, everything is erased and an empty box takes its place."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from appliance import hold
from appliance.cli import factory_reset
from appliance.machine import Machine
from appliance.provision.erase import erase

HOST = socket.gethostname()


@pytest.fixture
def lived_in(box: Any) -> Any:
    box.environ["XDG_CONFIG_HOME"] = str(box.home.parent / "config")
    box("note", "the old owner's note")
    box("secrets", "set", "smtp-password", stdin="old")
    box("key", "create", "phone", "--role", "capture")
    box("config", "set", "daemon.web_ui_port", "9000")
    box("config", "set", "daemon.web_hosts", "box.example")
    return box


def is_as_it_was(box: Any) -> bool:
    return bool(box.json("recall", "old owner's note")["items"] and box.json("secrets", "list")["names"])


def test_everything_is_erased_and_an_empty_box_is_there(lived_in: Any) -> None:
    lived_in.home.chmod(0o710)
    answer = lived_in.json("factory-reset", "--yes-erase", HOST)
    assert answer["kept"] == ["daemon.web_hosts"]
    assert lived_in.json("recall", "old owner's note")["items"] == []
    assert lived_in.json("secrets", "list")["names"] == []
    assert lived_in.json("key", "list")["keys"] == []
    settings = lived_in.json("config", "show")
    assert (settings["daemon"]["web_ui_port"], settings["daemon"]["web_hosts"]) == (8080, ["box.example"])
    assert lived_in.home.stat().st_mode & 0o777 == 0o710
    assert [path for path in lived_in.home.parent.iterdir() if "erased" in path.name] == []
    assert not [path for path in lived_in.home.rglob("*") if path.is_file() and b"old owner" in path.read_bytes()]


def test_it_asks_twice_and_takes_the_machines_name(lived_in: Any) -> None:
    told = lived_in("factory-reset", stdin=f"y\n{HOST}\n")
    assert "Erase every note" in told.stderr
    assert f"({HOST})" in told.stderr
    assert "an empty box" in told.stdout
    assert lived_in.json("recall", "old owner's note")["items"] == []


@pytest.mark.parametrize("said", ["n\n", "\n", "y\nanother\n", "y\n", ""])
def test_any_other_answer_changes_nothing(lived_in: Any, said: str) -> None:
    assert "nothing was changed" in lived_in("factory-reset", stdin=said, code=1).stderr
    assert is_as_it_was(lived_in)


def test_a_script_must_know_the_machines_name(lived_in: Any) -> None:
    assert f"called {HOST}" in lived_in("factory-reset", "--yes-erase", f"{HOST}x", code=1).stderr
    assert is_as_it_was(lived_in)


def test_a_home_that_a_daemon_serves_is_left_alone(served: Any) -> None:
    served("note", "the old owner's note")
    assert "daemon stop" in served("factory-reset", "--yes-erase", HOST, code=1).stderr
    assert served.json("recall", "old owner's note")["items"]


def test_nothing_is_erased_while_an_upgrade_holds_the_box(lived_in: Any) -> None:
    hold.hold(lived_in.home, "an upgrade", 60)
    assert "An upgrade is under way" in lived_in("factory-reset", "--yes-erase", HOST, code=1).stderr
    hold.release(lived_in.home)
    assert is_as_it_was(lived_in)


def test_a_database_outside_the_home_is_not_passed_over(lived_in: Any, tmp_path: Path) -> None:
    (tmp_path / "other.db").write_bytes((lived_in.home / "membox.db").read_bytes())
    environ = {"MEMBOX_SQLITE_PATH": str(tmp_path / "other.db")}
    assert "outside the home" in lived_in("factory-reset", "--yes-erase", HOST, code=2, environ=environ).stderr
    assert is_as_it_was(lived_in)


def test_a_box_whose_settings_are_broken_can_be_reset(lived_in: Any) -> None:
    (lived_in.home / "config.toml").write_text("[nonsense")
    assert lived_in.json("factory-reset", "--yes-erase", HOST)["kept"] == []
    assert lived_in.json("recall", "old owner's note")["items"] == []


def test_nothing_is_erased_while_the_services_are_not_known_to_be_stopped(
    lived_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "opt" / "membox").mkdir(parents=True)
    (tmp_path / "opt" / "membox" / "current").symlink_to("releases/1.0")
    with monkeypatch.context() as on_a_box:
        on_a_box.setattr(os, "geteuid", lambda: 0)
        on_a_box.setattr(factory_reset, "Machine", lambda home: Machine(home=home, root=tmp_path))
        told = lived_in("factory-reset", "--yes-erase", HOST, code=1, environ={"PATH": ""})
    assert "systemctl does not answer" in told.stderr
    assert is_as_it_was(lived_in)


def test_a_home_that_is_a_link_is_erased_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "disk" / "box" / "notebook").mkdir(parents=True)
    (tmp_path / "home").symlink_to(tmp_path / "disk" / "box")
    erase(tmp_path / "home")
    assert (tmp_path / "home").readlink() == tmp_path / "disk" / "box"
    assert [*(tmp_path / "disk").rglob("*")] == [tmp_path / "disk" / "box"]


def test_a_home_that_cannot_be_moved_is_emptied_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    for path in (home / "notebook", home / ".erased-before", elsewhere):
        path.mkdir(parents=True)
    (elsewhere / "kept").touch()
    (home / "notebook" / "link").symlink_to(elsewhere)
    (home / "membox.db").touch()
    rename, moved = Path.rename, []

    def refuse_a_mount(path: Path, target: Path) -> Path:
        if path == home:
            raise OSError(16, "Device or resource busy")
        moved.append(path.name)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse_a_mount)
    erase(home)
    assert list(home.iterdir()) == []
    assert moved == ["notebook", "membox.db"]
    assert (elsewhere / "kept").exists()
