"""Temporary homes, and the real command run on them in processes of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_OURS = ("MEMBOX_", "BRAINSTEM_", "XDG_", "NO_COLOR", "EDITOR", "VISUAL")


@dataclass
class Membox:
    """The command `membox` on one home."""

    home: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __call__(
        self, *words: str, stdin: str | bytes = "", code: int | None = 0, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end; `code` is the exit code expected, None for any."""
        done = subprocess.run(
            self.command(*words),
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            timeout=60,
            env=self.environment(environ or {}),
            check=False,
        )
        told = subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode("utf-8", "replace")
        )
        assert code is None or told.returncode == code, told
        assert "Traceback" not in told.stderr, told.stderr
        return told

    def json(self, *words: str, **options: Any) -> Any:
        """Run it with --json; what it printed, parsed."""
        return json.loads(self(*words, "--json", **options).stdout)

    def command(self, *words: str) -> list[str]:
        """The words to start it by."""
        return [sys.executable, "-m", "appliance.cli.main", *words]

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Ours, without any variable that would lead to another box."""
        bare = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        return {**bare, "MEMBOX_HOME": str(self.home), "TZ": "UTC", **self.environ, **more}


@pytest.fixture
def membox(tmp_path: Path) -> Membox:
    """The command on a home that is not there yet; drafts go to a directory of the test's."""
    return Membox(tmp_path / "home", {"XDG_STATE_HOME": str(tmp_path / "state")})


@pytest.fixture
def box(membox: Membox) -> Membox:
    """The command on a home that is set up."""
    membox("init")
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
