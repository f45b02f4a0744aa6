"""Snapshots to a server: its password, its silences, kills in the middle, and what others on the machine can see."""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from appliance.backup.restic import Restic
from appliance.errors import MemboxError, NotConfiguredError, UnavailableError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("restic")]

KEY, PASSWORD = "FOR-EYES-ONLY-KEY", "server/pass:word@of"
V2 = "application/vnd.x.restic.rest.v2"


@dataclass
class Served:
    """A running server. `files` are what it keeps, by path; `on_request` is called with each method and path first."""

    port: int = 0
    user: str = ""
    password: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    on_request: Callable[[str, str], None] = lambda _method, _path: None

    @property
    def repository(self) -> str:
        user = f"{self.user}@" if self.user else ""
        return f"rest:http://{user}127.0.0.1:{self.port}/box/"

    @property
    def authorization(self) -> str:
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    def listing(self, path: str) -> bytes:
        inside = {name: data for name, data in self.files.items() if name.startswith(path)}
        return json.dumps([{"name": name[len(path) :], "size": len(data)} for name, data in inside.items()]).encode()


class Handler(BaseHTTPRequestHandler):
    """The methods of the protocol that restic uses."""

    served: Served
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: bytes = b"", content_type: str = "application/octet-stream") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        self.served.on_request(self.command, path)
        if self.served.user and self.headers.get("Authorization") != self.served.authorization:
            self._answer(401)
        elif self.command in ("POST", "DELETE"):
            self._change(path, body)
        else:
            self._read(path)

    def _change(self, path: str, body: bytes) -> None:
        if self.command == "POST":
            self.served.files |= {} if path.endswith("/") else {path: body}
            self._answer(200)
        else:
            self._answer(200 if self.served.files.pop(path, None) is not None else 404)

    def _read(self, path: str) -> None:
        if path.endswith("/"):
            self._answer(200, self.served.listing(path), V2)
        elif path in self.served.files:
            self._part(self.served.files[path])
        else:
            self._answer(404)

    def _part(self, data: bytes) -> None:
        wanted = self.headers.get("Range", "")
        if self.command == "HEAD" or not wanted.startswith("bytes="):
            self._answer(200, data)
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        self._answer(206, data[int(first) : int(last) + 1 if last else None])

    do_HEAD = do_GET = do_POST = do_DELETE = _handle  # noqa: N815 - the library's names


@contextmanager
def serving(user: str = "", password: str = "") -> Iterator[Served]:
    """Serve an empty place for one repository."""
    served = Served(user=user, password=password)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Serving", (Handler,), {"served": served}))
    server.daemon_threads = True
    served.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def nothing(_done: int, _total: int) -> None:
    """No progress is shown."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "note.md").write_text("the spare key is in the blue tin")
    return tmp_path / "data"


def test_key_and_password_are_seen_by_nobody_while_restic_runs(data: Path, tmp_path: Path) -> None:
    seen: list[str] = []

    def look(_method: str, _path: str) -> None:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes()
                if words.startswith(b"restic\0"):
                    seen.append((words + (process / "environ").read_bytes()).decode(errors="replace"))
            except OSError:
                continue  # it has just ended

    with serving("box", PASSWORD) as served:
        served.on_request = look
        restic = Restic(served.repository, KEY, PASSWORD, tmp_path / "cache")
        restic.init()
        stored = restic.backup(data, nothing)
        (tmp_path / "back").mkdir()
        restic.restore(stored.id, tmp_path / "back", nothing)
        restic.forget(1, 0, 0)
    assert (tmp_path / "back" / "note.md").read_bytes() == (data / "note.md").read_bytes()
    assert {command.split("\0")[7] for command in seen} >= {"init", "backup", "restore", "forget"}
    told = "\n".join(seen)
    assert KEY not in told
    assert "pass:word" not in told
    assert "pass%3Aword" not in told


def test_a_server_that_wants_another_password_is_named_without_it(data: Path) -> None:
    with serving("box", "right") as served:
        with pytest.raises(MemboxError) as failed:
            Restic(served.repository, KEY, PASSWORD).open()
        assert served.repository in failed.value.sentence
        assert "pass" not in failed.value.sentence.replace("password", "")


def test_a_password_for_nobody_is_refused() -> None:
    with pytest.raises(NotConfiguredError, match="USER@HOST"):
        Restic("rest:http://127.0.0.1/box", KEY, PASSWORD)


def test_a_server_that_is_not_there_is_said() -> None:
    with serving() as served:
        gone = served.repository
    with pytest.raises(UnavailableError, match="rest:http"):
        Restic(gone, KEY, patience=0.1).open()


def test_a_server_that_falls_silent_is_not_waited_for_for_ever(data: Path) -> None:
    silent = threading.Event()
    with serving() as served:
        Restic(served.repository, KEY).init()

        def fall_silent(method: str, path: str) -> None:
            if method == "POST" and "/data/" in path:
                silent.wait(60)

        served.on_request = fall_silent
        try:
            with pytest.raises(UnavailableError, match="does not answer"):
                Restic(served.repository, KEY, patience=0.005).backup(data, nothing)
        finally:
            silent.set()


TAKE = """
import sys
from pathlib import Path
from appliance.backup.restic import Restic
Restic(sys.argv[1], sys.argv[2]).backup(Path(sys.argv[3]), lambda done, total: None)
"""


def test_after_a_kill_in_the_middle_it_is_simply_run_again(data: Path) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def stop_there(method: str, path: str) -> None:
        if method == "POST" and "/data/" in path and not reached.is_set():
            reached.set()
            go_on.wait(60)

    with serving() as served:
        restic = Restic(served.repository, KEY)
        restic.init()
        restic.backup(data, nothing)
        (data / "more.md").write_text("more")
        served.on_request = stop_there
        process = subprocess.Popen([sys.executable, "-c", TAKE, served.repository, KEY, str(data)])
        try:
            assert reached.wait(60)
            kill_with_children(process.pid)
        finally:
            go_on.set()
        process.wait()
        assert any("/locks/" in name for name in served.files)
        restic.unlock()
        assert not any("/locks/" in name for name in served.files)
        assert len(restic.snapshots()) == 1
        restic.backup(data, nothing)
        restic.forget(1, 0, 0)
        assert len(restic.snapshots()) == 1


def kill_with_children(pid: int) -> None:
    """As a power cut would; and wait until they are gone."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for each in (pid, *map(int, children)):
        os.kill(each, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.01)
