"""A box with releases side by side: real releases, real daemons, and a small stand-in for systemctl."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
import venv
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import appliance
from appliance.storage.opening import known_versions

KEY = "a-key-for-these-tests-only"
PATIENCE = 60.0

# Starts and stops the real daemon of the release in use, as systemd would; its states are those of systemd.
SYSTEMCTL = """#!/bin/sh
pid=$(cat "{place}/pid" 2>/dev/null)
running() {{ [ -n "$pid" ] && grep -q '^State:.[^ZX]' "/proc/$pid/status" 2>/dev/null; }}
case "$1" in
  show) if running; then echo active; elif [ -n "$pid" ]; then echo failed; else echo inactive; fi ;;
  start) running && exit 0
    setsid "{root}/current/bin/python" -I -m appliance.cli.main --home "{home}" daemon start \\
      </dev/null >>"{place}/log" 2>&1 &
    echo $! >"{place}/pid" ;;
  stop) running && kill "$pid"; while running; do sleep 0.05; done; rm -f "{place}/pid" ;;
  reset-failed) running || rm -f "{place}/pid" ;;
esac
"""

MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision = "{number}"
down_revision = "{before}"
branch_labels = depends_on = None


def upgrade() -> None:
    op.create_table("of_release_two", sa.Column("id", sa.Integer, primary_key=True))
"""

# What makes a release a bad one: file, what stands there, what stands there instead.
FAULTS = {
    "silent": ("cli/daemon.py", "write_settings(caller.home)", 'raise SystemExit("not today")'),
    "ill": ("web/meta.py", 'status="ok", service', 'status="ill", service'),
    "impostor": ("web/meta.py", "version=__version__", 'version="9.9.9"'),
}


@dataclass
class Boxed:
    """A box below a directory, as provisioning leaves it."""

    place: Path
    blank: Path
    port: int
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.place / "opt"

    @property
    def home(self) -> Path:
        return self.place / "home"

    @property
    def database(self) -> Path:
        return self.home / "membox.db"

    def add(self, version: str, migrates: bool = False, fault: str = "") -> Path:
        """Install a release of this very code, but for its version, perhaps a new schema, and perhaps a fault."""
        path = self.root / "releases" / version
        shutil.copytree(self.blank, path, symlinks=True, copy_function=os.link)
        package = next(path.glob("lib/*/site-packages/appliance"))
        number = version.partition("+")[0]
        edits = [("__init__.py", f'"{appliance.__version__}"', f'"{number}"'), *([FAULTS[fault]] if fault else [])]
        for name, old, new in edits:
            text = (package / name).read_text()
            assert old in text, (name, old)
            (package / name).unlink()  # a link to the file of all releases
            (package / name).write_text(text.replace(old, new))
        if migrates:
            before = known_versions()[-1]
            number = f"{int(before) + 1:04}"
            text = MIGRATION.format(number=number, before=before)
            (package / "storage" / "migrations" / "versions" / f"{number}_of_release_two.py").write_text(text)
        (path / ".complete").touch()
        return path

    def membox(self, version: str, *words: str, code: str = "") -> "subprocess.CompletedProcess[str]":
        """Run the command of a release; `code` runs first."""
        python = self.root / ("current" if version == "current" else f"releases/{version}") / "bin" / "python"
        program = f"{code}\nfrom appliance.cli.main import main\nmain()"
        return subprocess.run(
            [python, "-I", "-c", program, "--home", str(self.home), *words],
            capture_output=True, text=True, env=self.environment, timeout=400, check=False,
        )  # fmt: skip

    def switch(self, version: str, *more: str, code: str = "", by: str = "") -> "subprocess.CompletedProcess[str]":
        words = ["release", "switch", version, "--root", str(self.root), "--wait", "60", *more]
        return self.membox(by or version, *words, code=code)

    def recover(self, version: str = "current") -> "subprocess.CompletedProcess[str]":
        return self.membox(version, "release", "recover", "--root", str(self.root))

    def start(self) -> None:
        """Start the daemon, as systemd does at boot."""
        subprocess.run(["systemctl", "start", "membox.service"], env=self.environment, check=True)

    def run(self, version: str, database: Path) -> None:
        """Have a release in use, as after a switch."""
        (self.root / "current").symlink_to(f"releases/{version}")
        shutil.copy(database, self.database)
        self.start()
        assert self.version() == version

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            known = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
            connection.request(method, path, json.dumps(body) if body else None, known | (headers or {}))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def version(self) -> str:
        """Of what answers, once something does."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return str(self.ask("GET", "/healthz")[1]["version"])
            except (OSError, http.client.HTTPException):
                assert time.monotonic() < deadline, (self.place / "log").read_text()[-2000:]
                time.sleep(0.05)

    def note(self, text: str) -> int:
        return self.ask("POST", "/note", {"text": text}, {"Idempotency-Key": text})[0]

    def journal(self) -> str:
        return "".join(path.read_text() for path in sorted((self.home / "notebook" / "sessions").glob("*.md")))

    def current(self) -> str | None:
        link = self.root / "current"
        return link.readlink().name if link.is_symlink() else None

    def leftovers(self) -> list[str]:
        """What only a switch under way may leave."""
        names = [path.name for path in self.home.glob("membox.db.*")]
        names += [path.name for path in (self.home / "run").glob("hold*")]
        return names + [path.name for path in self.root.glob("switch.json*")]

    def power_cut(self) -> None:
        """End the daemon as the power's going would."""
        with suppress(FileNotFoundError, ProcessLookupError, ValueError):
            pid = int((self.place / "pid").read_text())
            os.kill(pid, signal.SIGKILL)
            while _lives(pid):
                time.sleep(0.02)
        (self.place / "pid").unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    try:
        return not any(line.startswith("State:\tZ") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    except OSError:
        return False


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of this code, to be linked from."""
    path = tmp_path_factory.mktemp("release") / "blank"
    venv.create(path, symlinks=True)
    packages = next(path.glob("lib/*/site-packages"))
    shutil.copytree(Path(appliance.__file__).parent, packages / "appliance")
    (packages / "of_the_tests.pth").write_text(sysconfig.get_path("purelib"))
    return path


@pytest.fixture
def boxed(tmp_path: Path, blank: Path) -> Iterator[Boxed]:
    """A box without any release yet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    box = Boxed(tmp_path, blank, port)
    (box.root / "releases").mkdir(parents=True)
    box.home.mkdir(mode=0o710)
    (box.home / "config.toml").write_text(f"[daemon]\nweb_ui_port = {port}\n")
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text(SYSTEMCTL.format(place=tmp_path, root=box.root, home=box.home))
    systemctl.chmod(0o755)
    given = {KEY: {"tenant_id": "home", "agent_id": "tester", "role": "admin"}}
    box.environment = os.environ | {
        "PATH": f"{systemctl.parent}:{os.environ['PATH']}",
        "MEMBOX_API_KEYS": json.dumps(given),
    }
    yield box
    box.power_cut()


@pytest.fixture
def running(boxed: Boxed, empty_database: Path) -> Boxed:
    """The same with the release 1.0.0 in use."""
    boxed.add("1.0.0")
    boxed.run("1.0.0", empty_database)
    return boxed


@dataclass
class Load:
    """Notes that are being sent all the time, each until it is taken."""

    boxed: Boxed
    accepted: list[str] = field(default_factory=list)
    refused: Counter[int] = field(default_factory=Counter)

    def send(self, number: int, stop: threading.Event) -> None:
        count = 0
        while not stop.is_set():
            count += 1
            word = f"n{number}x{count}"
            while not self._taken(word):
                time.sleep(0.02)
            self.accepted.append(word)
            time.sleep(0.005)

    def _taken(self, word: str) -> bool:
        try:
            status = self.boxed.note(word)
        except (OSError, http.client.HTTPException):
            self.refused[0] += 1
            return False
        if status != 200:
            self.refused[status] += 1
        return status == 200

    def go_on(self, count: int = 10) -> None:
        """Wait until so many more were accepted."""
        enough, deadline = len(self.accepted) + count, time.monotonic() + PATIENCE
        while len(self.accepted) < enough:
            assert time.monotonic() < deadline, self.refused
            time.sleep(0.02)

    def wrong(self) -> dict[str, int]:
        """Accepted notes that are not in the journal exactly once."""
        counts = Counter(self.boxed.journal().split())
        return {word: counts[word] for word in self.accepted if counts[word] != 1}


@pytest.fixture
def load() -> Callable[..., Any]:
    """Sends notes while the block runs."""

    @contextmanager
    def under_load(boxed: Boxed, clients: int = 3) -> Iterator[Load]:
        stop, sending = threading.Event(), Load(boxed)
        threads = [threading.Thread(target=sending.send, args=(number, stop)) for number in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield sending
        finally:
            stop.set()
            for thread in threads:
                thread.join(PATIENCE)

    return under_load


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole boxes are slow, and need the processes of Linux."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and {"boxed", "running"} & set(
            getattr(item, "fixturenames", ())
        ):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.skipif(sys.platform != "linux", reason="a box is Linux"))
