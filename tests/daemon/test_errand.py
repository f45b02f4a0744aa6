"""Errands over a real socket, as systemd serves it: a process for each connection, which is its input and output."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance import errand
from appliance.agents.harvest.service import Harvest
from appliance.box import open_box
from appliance.daemon.errand import answer
from appliance.errors import NoProviderError, UnavailableError
from appliance.managed_block import State
from appliance.notebook.finds import Finds
from appliance.notebook.targets.service import Targets
from appliance.providers import Reply, Request
from appliance.redaction import Redactor


class Unit:
    """Stands in for `membox-errand.socket` with `Accept=yes`: the agent's home is `home`."""

    def __init__(self, path: Path, home: Path) -> None:
        self.home = home
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._environ = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                command = [sys.executable, "-m", "appliance.daemon.errand"]
                asked = connection.recv(1, socket.MSG_PEEK)
                if not asked:
                    return
                subprocess.run(
                    command, stdin=connection.fileno(), stdout=connection.fileno(), env=self._environ, check=False
                )

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(self._listener.getsockname())
        self._thread.join()
        self._listener.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "errand.sock"


@pytest.fixture
def unit(path: Path, tmp_path: Path) -> Iterator[Unit]:
    home = tmp_path / "agent"
    home.mkdir()
    served = Unit(path, home)
    yield served
    served.close()


def test_targets_are_written_with_the_agents_home_and_rights(home: Path, path: Path, unit: Unit) -> None:
    box = open_box(home)
    try:
        targets = Targets(home, box.notebook, box.database, box.clock, lambda *_: None, path)
        assert targets.add("~/.claude/CLAUDE.md").state is State.CURRENT
        file = unit.home / ".claude" / "CLAUDE.md"
        assert "## Hard constraints" in file.read_text()
        file.write_text(f"Mine.\n{file.read_text().replace('Hard', 'Soft')}")
        assert targets.check()[0].state is State.EDITED
        assert targets.sync()[0].state is State.CURRENT
        (kept,) = (unit.home / ".local/state/membox/replaced").iterdir()
        assert "Soft constraints" in kept.read_text()
        targets.remove("~/.claude/CLAUDE.md")
        assert file.read_text() == "Mine.\n"
    finally:
        box.close()


def test_transcripts_are_read_with_the_agents_rights(home: Path, path: Path, unit: Unit) -> None:
    transcript = unit.home / ".claude/projects/-home-agent-work/one.jsonl"
    transcript.parent.mkdir(parents=True)
    message = {"role": "user", "content": "Never deploy on a Friday."}
    transcript.write_text(json.dumps({"type": "user", "message": message, "cwd": "/home/agent/work"}) + "\n")
    box = open_box(home)
    try:
        journal = Finds(box.notebook, "harvest", "UTC", box.clock)
        harvest = Harvest(journal, box.database, box.clock, "UTC", Nobody(), lambda: Redactor(()), None, path)
        assert (harvest.harvest().notes, harvest.harvest().notes) == (1, 0)
        assert "Never deploy on a Friday." in box.notebook.read(box.notebook.today()).text
    finally:
        box.close()


class Nobody:
    """No language model."""

    def complete(self, request: Request) -> Reply:
        raise NoProviderError("no_provider", "None is set up.")


def test_a_socket_that_nobody_serves_is_told_and_tried_again(home: Path, path: Path, tmp_path: Path) -> None:
    gone = socket.socket(socket.AF_UNIX)
    gone.bind(str(path))
    gone.close()
    now = [datetime(2026, 11, 20, tzinfo=UTC)]
    box = open_box(home)
    try:
        targets = Targets(home, box.notebook, box.database, lambda: now[0], lambda *_: None, path)
        seen = targets.add(str(tmp_path / "CLAUDE.md"))
        assert (seen.state, "membox-errand" in seen.said) == (State.UNWRITABLE, True)
        targets.keep_up()
        path.unlink()
        targets.keep_up()
        assert not (tmp_path / "CLAUDE.md").exists()
        now[0] += timedelta(minutes=2)
        targets.keep_up()
        assert targets.overview()[0].state is State.CURRENT
    finally:
        box.close()


@pytest.mark.parametrize(
    "asked",
    [
        b"",
        b"no json",
        b"[]",
        b'{"errand": "shell", "command": "id"}',
        b'{"errand": ["targets"]}',
        b'{"errand": "targets", "how": "erase", "paths": [], "memory": ""}',
        b'{"errand": "targets", "how": "sync", "paths": [], "memory": "", "more": 1}',
        b'{"errand": "transcripts", "positions": {"a": "b"}}',
        b'{"errand": "complete", "request": {"prompt": "x", "system": ""}, "seconds": -1}',
    ],
)
def test_only_what_is_on_the_list_is_done(asked: bytes) -> None:
    assert answer(asked) == {"failed": "no such errand"}


def test_a_language_model_is_asked_in_its_own_words_only() -> None:
    assert "failed" in answer(b'{"errand": "complete", "request": {"prompt": "x"}, "seconds": 1}')


@pytest.mark.parametrize("said", [b"", b"no json\n", b"[1]\n", b'{"failed": "it rains"}\n', b"\xff\n"])
def test_a_bad_answer_is_an_error_of_ours(path: Path, said: bytes) -> None:
    with answering(path, said), pytest.raises(UnavailableError) as refused:
        errand.ask("targets", {}, path=path)
    assert refused.value.word == "errand_failed"


def test_an_errand_that_takes_too_long_is_given_up(path: Path) -> None:
    with answering(path, None), pytest.raises(UnavailableError, match="timed out"):
        errand.ask("targets", {}, 0.05, path)


@contextmanager
def answering(path: Path, said: bytes | None) -> Iterator[None]:
    """Something at the socket that gives one answer; None: that keeps silent."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                while connection.recv(65536):
                    pass
                if said is not None:
                    connection.sendall(said)
                else:
                    given_up.wait(30)

        given_up = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        yield
        given_up.set()
        thread.join()


def test_the_boxs_own_sessions_are_known_by_their_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert errand.is_own_session(str(errand.own_sessions()))
    assert not errand.is_own_session(str(tmp_path / "work"))
