"""Temporary homes, and the real command run on them in processes of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from appliance.cli.main import membox as root

_OURS = ("MEMBOX_", "BRAINSTEM_", "XDG_", "NO_COLOR", "EDITOR", "VISUAL")


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    stdout: str
    stderr: str
    returncode: int


@dataclass
class Membox:
    """The command `membox` on one home: called, it runs in this process; `process` is the real thing, and slower."""

    home: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __call__(
        self, *words: str, stdin: str | bytes = "", code: int | None = 0, environ: Mapping[str, str] | None = None
    ) -> Done:
        """Run it to its end; `code` is the exit code expected, None for any."""
        wanted = self.environment(environ or {})
        changes = {
            name: wanted.get(name) for name in {*os.environ, *wanted} if wanted.get(name) != os.environ.get(name)
        }
        result = CliRunner().invoke(root, words, input=stdin, env=changes)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return self._checked(Done(result.stdout, result.stderr, result.exit_code), code)

    def process(
        self, *words: str, stdin: str = "", code: int | None = 0, environ: Mapping[str, str] | None = None
    ) -> Done:
        """The same in a process of its own."""
        done = subprocess.run(
            self.command(*words),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            env=self.environment(environ or {}),
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return self._checked(Done(done.stdout, done.stderr, done.returncode), code)

    def json(self, *words: str, **options: Any) -> Any:
        """Run it with --json; what it printed, parsed."""
        return json.loads(self(*words, "--json", **options).stdout)

    @staticmethod
    def _checked(done: Done, code: int | None) -> Done:
        assert code is None or done.returncode == code, done
        return done

    def command(self, *words: str) -> list[str]:
        """The words to start it by."""
        return [sys.executable, "-m", "appliance.cli.main", *words]

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Ours, without any variable that would lead to another box."""
        bare = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        ours = {"MEMBOX_HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home.parent / "config"), "TZ": "UTC"}
        return {**bare, **ours, **self.environ, **more}


@pytest.fixture
def membox(tmp_path: Path) -> Membox:
    """The command on a home that is not there yet; drafts go to a directory of the test's."""
    return Membox(tmp_path / "home", {"XDG_STATE_HOME": str(tmp_path / "state")})


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that is set up, to be copied: making the database takes longer than most tests."""
    home = tmp_path_factory.mktemp("prepared") / "home"
    Membox(home)("init")
    return home


@pytest.fixture
def box(membox: Membox, prepared: Path) -> Membox:
    """The command on a home that is set up."""
    shutil.copytree(prepared, membox.home)
    return membox


@pytest.fixture
def served(box: Membox) -> Iterator[Membox]:
    """The command on a home whose daemon runs, detached, on a free port."""
    box("daemon", "start", "--detach", "--port", "0")
    yield box
    box("daemon", "stop")


@pytest.fixture
def editor(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """Makes an $EDITOR of some shell lines, whose file is "$1"; the variables to run it by."""

    def make(script: str) -> dict[str, str]:
        program = tmp_path / "editor.sh"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return {"EDITOR": str(program)}

    return make
