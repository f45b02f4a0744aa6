"""A box that listens at a socket, and the hooks of a user put in for it."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from appliance.agents.hooks.installing import Place, install
from appliance.box import Box, open_box
from appliance.principal import Role
from appliance.web.server import Server


@pytest.fixture(scope="session")
def box(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[Box]:
    """A box whose socket answers, as a daemon's would."""
    home = tmp_path_factory.mktemp("home")
    shutil.copy(empty_database, home / "membox.db")
    (home / "config.toml").write_text('[memory]\nembedding = "off"\n')
    opened = open_box(home)
    server = Server(opened)
    server.listen_unix(home / "membox.sock")
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield opened
    server.stop()
    thread.join(timeout=15)
    opened.close()


@pytest.fixture
def url(box: Box) -> str:
    return f"unix:{box.home / 'membox.sock'}"


@dataclass
class Hooks:
    """A user whose hooks are in: called with an event, it runs the hook as Claude Code would."""

    place: Place
    environ: dict[str, str]
    project: Path

    def __call__(self, event: str, **fields: Any) -> str:
        """What the hook prints; it must end well, and say nothing on standard error."""
        done = self.start(event, **fields)
        out, err = done.communicate(timeout=60)
        assert (done.returncode, err) == (0, "")
        return out

    def start(self, event: str, **fields: Any) -> subprocess.Popen[str]:
        """The hook, just started, with its event on standard input."""
        given = {"hook_event_name": event, "session_id": self.project.name, "cwd": str(self.project), **fields}
        running = subprocess.Popen(
            ["/bin/sh", "-c", f"'{self.place.script}' {event}"],
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert running.stdin
        with suppress(BrokenPipeError):  # a hook that is switched off ends without a look at it
            os.write(running.stdin.fileno(), json.dumps(given).encode())
        return running

    @property
    def failures(self) -> int:
        return self.place.failures.stat().st_size if self.place.failures.exists() else 0


@pytest.fixture
def hooks(box: Box, url: str, tmp_path: Path) -> Hooks:
    """The hooks of a user whose project is a directory that no other test has."""
    if shutil.which("curl") is None:
        pytest.skip("no curl: install Debian's curl")
    project = tmp_path / tmp_path.name
    project.mkdir()
    place = Place(tmp_path / "claude" / "settings.json", tmp_path / "config" / "membox" / "hooks")
    install(place, url, box.access.create_key(tmp_path.name, "home", "claude", Role.WRITER).key, "anvil")
    return Hooks(place, {"PATH": os.environ["PATH"], "CLAUDE_PROJECT_DIR": str(project)}, project)
