"""`membox doctor`: grouped, marked, with an exit code, and for root on a box also when the daemon is down."""

import os
from pathlib import Path
from typing import Any

import pytest

from appliance.daemon import health
from appliance.daemon.checks import disk, units
from appliance.home import owner_key_path
from appliance.machine import Machine


def test_findings_are_grouped_and_marked_without_colours_in_a_pipe(box: Any) -> None:
    told = box.process("doctor").stdout
    assert [line for line in told.splitlines() if line[:1].isalpha()] == [
        "Memory box",
        "Copies",
        "Machine",
        "membox: something should be seen to.",
    ]
    assert "! There is no second copy of this box" in told
    assert "\n  → Name a directory on another disk: `membox config set" in told
    assert "✓ The database takes writes, its full integrity check passes" in told
    assert "\x1b" not in told


def test_a_terminal_without_such_signs_gets_others(box: Any) -> None:
    told = box.process("doctor", environ={"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}).stdout
    assert "ok The database takes writes" in told
    assert "\\u2713" not in told


def test_the_exit_code_tells_of_an_error_and_of_nothing_less(served: Any) -> None:
    assert served.json("doctor")["state"] == "warn"
    (served.home / "config.toml").write_text("[daemon]\nweb_ui_prot = 1\n")
    answer = served.json("doctor", code=1)
    assert (answer["state"], answer["checks"][0]["check"]) == ("error", "config")


@pytest.fixture
def root_on_a_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As if we were root on a box with one fault that the daemon cannot see; the programs on PATH."""
    programs = tmp_path / "programs"
    programs.mkdir()
    unit = "Id=membox.service\nLoadState=loaded\nActiveState=failed\nResult=watchdog"
    (programs / "systemctl").write_text(f"#!/bin/sh\ncat <<'END'\n{unit}\nEND\n")
    (programs / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(Machine, "is_box", True)
    looks = {"units": units.check_machine, "disk": disk.check_machine}
    monkeypatch.setattr(health, "machine_checks", lambda: looks)
    return programs


def test_root_hears_of_the_machine_and_of_a_daemon_that_is_down(box: Any, root_on_a_box: Path) -> None:
    before = sorted(path.name for path in box.home.iterdir())
    checks = {finding["check"]: finding for finding in box.json("doctor", code=1)["checks"]}
    assert "does not answer" in checks["daemon"]["sentence"]
    assert "membox.service has failed (watchdog)" in checks["units"]["sentence"]
    assert "notebook" not in checks
    assert sorted(path.name for path in box.home.iterdir()) == before  # root opened nothing


def test_root_hears_what_the_daemon_finds_and_of_the_machine_once(served: Any, root_on_a_box: Path) -> None:
    answer = served.json("doctor", code=1)
    names = [finding["check"] for finding in answer["checks"]]
    assert answer["checks"][0]["check"] == "units"
    assert {"notebook", "mirror", "disk"} <= set(names)
    assert names.count("disk") == 1


def test_root_sends_nothing_that_a_link_in_the_home_leads_to(served: Any, root_on_a_box: Path, tmp_path: Path) -> None:
    key = owner_key_path(served.home)
    key.rename(tmp_path / "elsewhere")
    key.symlink_to(tmp_path / "elsewhere")
    names = {finding["check"] for finding in served.json("doctor", code=1)["checks"]}
    assert "daemon" in names
    assert "notebook" not in names
