"""What a bundle of a box holds: what helps, and nothing that was planted."""

import json
import shlex
import tarfile
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import ConflictError
from appliance.machine import Machine
from appliance.support.bundle import write_bundle
from appliance.support.contents import contents
from appliance.support.sweep import Sweep

SECRET = "correct-horse-battery"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A box in whose settings, files, units and journal a secret stands."""
    root, home, programs = tmp_path / "root", tmp_path / "home", tmp_path / "bin"
    for name in ("0.1.0", SECRET + " (copy)"):
        (root / "opt/membox/releases" / name).mkdir(parents=True)
    (root / "opt/membox/releases/0.1.0/.complete").touch()
    (root / "opt/membox/current").symlink_to("releases/0.1.0")
    (root / "etc").mkdir()
    (root / "etc/os-release").write_text('NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n')
    home.mkdir()
    (home / f"{SECRET}.md").touch()
    settings = (
        f'[daemon]\nbackup_mirror_path = "/media/{SECRET}"\nweb_ui_port = 9000\n[tailnet]\nowners = ["{SECRET}"]\n'
    )
    (home / "config.toml").write_text(settings)
    entries = [
        {"_PID": "9", "MESSAGE": f"2026-11-20 09:00:00,123 ERROR appliance.daemon.schedule: job {SECRET} failed"},
        {"_PID": "9", "MESSAGE": f"ValueError: {SECRET}"},
        {"_PID": "9", "MESSAGE": SECRET},
        {"_PID": "1", "MESSAGE": "membox.service: Scheduled restart job, restart counter is at 3."},
    ]
    moment = {"__REALTIME_TIMESTAMP": "1795165200000000", "_SYSTEMD_UNIT": "membox.service"}
    journal = "\n".join(json.dumps(entry | moment) for entry in entries)
    programs.mkdir()
    says = {
        "journalctl": f'case "$2" in membox.service) printf %s {shlex.quote(journal)};; esac',
        "systemctl": "echo Id=membox.service; echo ActiveState=active",
        "tailscale": "echo 1.94.2",
    }
    for name, line in says.items():
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    return Machine(home=home, root=root)


FINDINGS = [
    {"check": "units", "severity": "error", "sentence": "membox.service has failed (exit-code).", "remedy": "Look."},
    {"check": "mirror", "severity": "warn", "sentence": f"Nothing at /media/{SECRET}.", "remedy": SECRET},
    {"check": SECRET.replace("-", ""), "severity": "ok", "sentence": SECRET, "remedy": ""},
]
JOBS = [{"name": "mirror", "outcome": "failed", "detail": f"https://ada:{SECRET}@nas refused", "enabled": True}]
SCHEMA = {"path": f"/{SECRET}", "version": "0001", "newest": "0002", "is_current": False}


def bundled(machine: Machine) -> dict[str, Any]:
    return contents(machine, FINDINGS[:2], JOBS, SCHEMA)


def test_it_has_what_helps(machine: Machine) -> None:
    files = bundled(machine)
    assert files["versions.json"]["system"] == "Debian GNU/Linux 13 (trixie)"
    assert files["versions.json"]["tailscale"] == "1.94.2"
    assert files["doctor.json"][0]["sentence"] == "membox.service has failed (exit-code)."
    assert files["doctor.json"][1]["severity"] == "warn"
    assert files["settings.json"]["daemon.web_ui_port"] == 9000
    assert files["settings.json"]["daemon.backup_mirror_path"] == "(set)"
    assert files["settings.json"]["core.model"] == "(not set)"
    assert files["schedule.json"][0]["outcome"] == "failed"
    assert files["migrations.json"] == {"version": "0001", "newest": "0002", "is_current": False}
    assert files["releases.json"] == {"current": "0.1.0", "releases": {"0.1.0": True}}
    assert files["units.txt"] == ["Id=membox.service", "ActiveState=active"]
    assert files["machine.json"]["disks"]["home"]["free"] > 0
    assert [line.partition("membox.service ")[2] for line in files["log.txt"] if "left out" not in line] == [
        "ERROR appliance.daemon.schedule: job … failed",
        "ValueError",
        "systemd: membox.service: Scheduled restart job, restart counter is at 3",
    ]


def test_nothing_planted_gets_in_before_any_sweep(machine: Machine) -> None:
    assert SECRET not in json.dumps(bundled(machine))


def test_settings_that_cannot_be_read_are_not_shown(machine: Machine) -> None:
    (machine.home / "config.toml").write_text(f"[daemon]\nweb_ui_prot = {SECRET}\n")
    files = bundled(machine)
    assert list(files["settings.json"]) == ["unreadable"]
    assert SECRET not in json.dumps(files)


def test_a_box_without_any_tool_gives_what_there_is(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    files = contents(machine, [], [], {})
    assert files["units.txt"] == ["systemctl did not answer"]
    assert files["log.txt"] == []
    assert files["versions.json"]["tailscale"] == ""


def test_the_archive_is_swept_private_and_never_replaces_another(tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar.gz"
    files = {"a.json": {"said": f"x {SECRET}", SECRET: [1, True, None]}, "b.txt": ["one", SECRET]}
    sizes = write_bundle(path, files, Sweep([SECRET]))
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as archive:
        texts = {member.name: archive.extractfile(member).read().decode() for member in archive}  # type: ignore[union-attr]  # files all
    assert {name.removeprefix("membox-support/"): len(text.encode()) for name, text in texts.items()} == sizes
    assert texts["membox-support/b.txt"] == "one\n[removed]\n"
    assert json.loads(texts["membox-support/a.json"]) == {"said": "x [removed]", "[removed]": [1, True, None]}
    before = path.read_bytes()
    with pytest.raises(ConflictError, match="--output"):
        write_bundle(path, {}, Sweep([]))
    assert path.read_bytes() == before
