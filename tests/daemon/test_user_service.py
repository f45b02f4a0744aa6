"""The daemon as a user's own service: what is written, what the service manager is asked, what is refused."""

import getpass
import os
import plistlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.daemon import user_service
from appliance.errors import NotConfiguredError, UnavailableError

type Programs = Callable[..., None]


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """The file in which the programs write what they were asked."""
    return tmp_path / "asked"


@pytest.fixture
def programs(tmp_path: Path, asked: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """Puts programs on PATH that write down how they were called; one that fails says why. The caller is not root."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(user_service, "LINGERING", tmp_path / "linger")

    def put(*names: str, fails: str = "") -> None:
        for name in names:
            program = directory / name
            end = f"echo {fails} >&2; exit 1" if fails else "exit 0"
            program.write_text(f'#!/bin/sh\necho "{name} $*" >>"{asked}"\n{end}\n')
            program.chmod(0o755)

    return put


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    return tmp_path / ".config" / "systemd" / "user" / "membox.service"


def test_the_unit_runs_from_the_machines_start_and_holds_no_secret(
    programs: Programs, asked: Path, unit: Path, tmp_path: Path
) -> None:
    programs("systemctl", "loginctl")
    said = user_service.install(tmp_path / 'a "box" 100%')
    assert "starts with the machine" in said
    assert asked.read_text().splitlines()[:3] == [
        "systemctl --user daemon-reload",
        "systemctl --user enable membox.service",
        "systemctl --user restart membox.service",
    ]
    assert asked.read_text().splitlines()[3].startswith("loginctl enable-linger ")
    text = unit.read_text()
    assert '/a \\"box\\" 100%%" "daemon" "start"' in text
    assert "WatchdogSec" in text
    assert "Environment" not in text


def test_without_lingering_it_says_what_to_do(programs: Programs, tmp_path: Path) -> None:
    programs("systemctl")
    programs("loginctl", fails="Access denied")
    assert "sudo loginctl enable-linger" in user_service.install(tmp_path / "box")


def test_who_lingers_already_needs_no_leave_for_it(programs: Programs, asked: Path, tmp_path: Path) -> None:
    programs("systemctl")
    programs("loginctl", fails="Access denied")
    (tmp_path / "linger").mkdir()
    (tmp_path / "linger" / getpass.getuser()).touch()
    assert "starts with the machine" in user_service.install(tmp_path / "box")
    assert "loginctl" not in asked.read_text()


def test_removing_it_keeps_the_home_and_twice_is_once(
    programs: Programs, asked: Path, unit: Path, tmp_path: Path
) -> None:
    programs("systemctl", "loginctl")
    (tmp_path / "box").mkdir()
    user_service.install(tmp_path / "box")
    assert "stays where it is" in user_service.uninstall()
    assert "systemctl --user disable --now membox.service" in asked.read_text()
    assert not unit.exists()
    assert (tmp_path / "box").exists()
    assert "There is no service" in user_service.uninstall()


def test_what_the_service_manager_refuses_is_told(programs: Programs, tmp_path: Path) -> None:
    programs("systemctl", fails="Failed to connect to bus")
    with pytest.raises(UnavailableError, match="Failed to connect to bus"):
        user_service.install(tmp_path / "box")


@pytest.mark.usefixtures("programs")
def test_without_systemd_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotConfiguredError, match="--detach"):
        user_service.install(tmp_path / "box")


def test_root_is_refused(programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: Path) -> None:
    programs("systemctl")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(NotConfiguredError, match="without sudo"):
        user_service.install(tmp_path)
    with pytest.raises(NotConfiguredError, match="without sudo"):
        user_service.uninstall()
    assert not asked.exists()


def test_on_macos_it_is_a_launchd_agent(
    programs: Programs, asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs("launchctl")
    monkeypatch.setattr(sys, "platform", "darwin")
    user_service.install(tmp_path / "box")
    place = tmp_path / "Library" / "LaunchAgents" / "net.membox.daemon.plist"
    agent = plistlib.loads(place.read_bytes())
    assert agent["ProgramArguments"][-4:] == ["--home", str(tmp_path / "box"), "daemon", "start"]
    assert agent["RunAtLoad"] is True
    assert asked.read_text().splitlines()[-1].startswith("launchctl bootstrap gui/")
    user_service.uninstall()
    assert not place.exists()
