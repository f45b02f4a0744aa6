"""A home to serve, and a box of files and tools to look at."""

import shlex
import shutil
from pathlib import Path

import pytest

from appliance import __version__
from appliance.box import open_box
from appliance.daemon import health
from appliance.daemon.findings import Finding, Severity
from appliance.lease import COMMAND, Lease
from appliance.machine import Machine


@pytest.fixture(scope="session")
def made_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed home, made once: making one takes as long as all the rest of a start."""
    home = tmp_path_factory.mktemp("made") / "box"
    with Lease.acquire(home, COMMAND):
        open_box(home).close()
    return home


@pytest.fixture
def home(tmp_path: Path, made_home: Path) -> Path:
    shutil.copytree(made_home, tmp_path / "box")
    return tmp_path / "box"


class Tools:
    """A box of files below a directory, and programs on PATH that print what they are told to."""

    def __init__(self, directory: Path) -> None:
        self.programs = directory / "bin"
        self.machine = Machine(home=directory / "home", root=directory / "root")
        self.programs.mkdir()
        (self.machine.home / "run").mkdir(parents=True, mode=0o700)
        self.machine.home.chmod(0o700)
        self.release(__version__)
        self.machine.path("/opt/membox/current").symlink_to(f"releases/{__version__}")

    def release(self, version: str, complete: bool = True) -> None:
        directory = self.machine.path(f"/opt/membox/releases/{version}")
        directory.mkdir(parents=True)
        if complete:
            (directory / ".complete").touch()

    def write(self, name: str, text: str) -> None:
        path = self.machine.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def prints(self, program: str, text: str, code: int = 0, when: str = "") -> None:
        """Let `program` print `text`; `when`, only if its arguments begin so, whatever it does else."""
        path = self.programs / program
        if not path.exists():
            path.write_text("#!/bin/sh\n")
            path.chmod(0o755)
        case = f'case "$*" in {shlex.quote(when) if when else ""}*)'
        with path.open("a") as script:
            script.write(f"{case} printf '%s' {shlex.quote(text)}; exit {code};; esac\n")

    def found(self, check: str, deep: bool = False) -> list[Finding]:
        return list(health.machine_checks()[check](self.machine, deep))

    def fault(self, check: str, deep: bool = False) -> Finding:
        """The one finding of `check`, which is not well and has a remedy."""
        (finding,) = self.found(check, deep)
        assert finding.severity is not Severity.OK
        assert finding.remedy
        return finding

    def is_well(self, check: str, deep: bool = False) -> bool:
        found = self.found(check, deep)
        return bool(found) and all(finding.severity is Severity.OK for finding in found)


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    made = Tools(tmp_path)
    monkeypatch.setenv("PATH", str(made.programs))
    return made
