"""A real daemon as a process of its own, which a test may kill and start again."""

import http.client
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

KEY = "a-key-for-these-tests-only"
START_SECONDS = 30.0
SOURCE = Path(__file__).parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this directory runs alone, after the others."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.reliability)


@dataclass
class Daemon:
    """`membox daemon start` on a home of its own and a port that is free."""

    home: Path
    logs: Path
    environment: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[str] | None = None
    starts: list[float] = field(default_factory=list)

    @property
    def log(self) -> Path:
        """What it says on stderr; beside the home's disk, so that a full one does not matter."""
        return self.logs / f"{self.home.name}.log"

    def command(self, *options: str) -> list[str]:
        """The words that start it."""
        return [sys.executable, "-m", "appliance.cli.main", "daemon", "start", *(options or ("--port", "0"))]

    def whole_environment(self) -> dict[str, str]:
        """Its environment: the home, and a key of an admin of tenant home."""
        given = {KEY: {"tenant_id": "home", "agent_id": "tester", "role": "admin"}}
        return {
            **os.environ,
            "MEMBOX_HOME": str(self.home),
            "MEMBOX_API_KEYS": json.dumps(given),
            "PYTHONPATH": str(SOURCE),
            **self.environment,
        }

    def spawn(self, *options: str) -> subprocess.Popen[str]:
        """Start the process without waiting for it."""
        self.process = subprocess.Popen(
            self.command(*options),
            env=self.whole_environment(),
            stdout=subprocess.PIPE,
            stderr=self.log.open("a"),
            text=True,
        )
        return self.process

    def start(self, *options: str) -> "Daemon":
        """Start it, and wait until it serves."""
        began = time.monotonic()
        process = self.spawn(*options)
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
        line = process.stdout.readline() if ready else ""
        if "serves http" not in line:
            process.kill()
            raise AssertionError(f"no start, exit code {process.wait()}: {line}{self.log.read_text()[-3000:]}")
        self.port = urlsplit(line.partition("serves ")[2].split(";")[0]).port or 0
        self.starts.append(time.monotonic() - began)
        return self

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def stop(self) -> int:
        """End it in good order; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, seconds: float = 30.0
    ) -> tuple[int, Any]:
        """Status and JSON of an answer; OSError or HTTPException when there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.request(
                method,
                path,
                None if body is None else json.dumps(body),
                {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", **(headers or {})},
            )
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


@pytest.fixture
def make_daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Makes daemons; what still runs at the end is killed."""
    made: list[Daemon] = []

    def make(home: Path | None = None, **more: Any) -> Daemon:
        made.append(Daemon(home or tmp_path / "home", tmp_path, **more))
        return made[-1]

    yield make
    for daemon in made:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.kill()


@pytest.fixture
def daemon(make_daemon: Callable[..., Daemon]) -> Daemon:
    """A daemon on a new home, not yet started."""
    return make_daemon()
