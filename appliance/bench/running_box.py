"""A real box to measure: the daemon in a process of its own on a temporary home, reached over HTTP keep-alive."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from time import perf_counter
from typing import Any, Self
from urllib.parse import urlsplit

from appliance import lease
from appliance.errors import UnavailableError
from appliance.home import CONFIG_FILE, DATABASE_FILE, log_path, owner_key_path

TENANT, AGENT = "home", "bench"
_START_SECONDS, _STOP_SECONDS = 60.0, 60.0
_POLL_SECONDS = 0.05


class RunningBox:
    """The daemon of `home`, started by entering this and stopped by leaving it; `embedding`: its `memory.embedding`."""

    def __init__(self, home: Path, embedding: str = "light") -> None:
        self.home = home
        self._embedding = embedding
        self.database = home / DATABASE_FILE
        # The person's own box and settings stay out of it.
        self._environ = {name: value for name, value in os.environ.items() if not _is_ours(name)}

    def __enter__(self) -> Self:
        lease.make_home(self.home)
        (self.home / CONFIG_FILE).write_text(f'[memory]\nembedding = "{self._embedding}"\n', "utf-8")
        log = log_path(self.home)
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                self._command("daemon", "start", "--port", "0"), stdout=out, stderr=out, env=self._environ
            )
        deadline = time.monotonic() + _START_SECONDS
        while not ((holder := lease.holder(self.home)) and holder.ready):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                raise UnavailableError("not_started", f"The daemon did not start: {log.read_text('utf-8', 'replace')}")
            time.sleep(_POLL_SECONDS)
        self.address = urlsplit(holder.url).netloc
        self.key = owner_key_path(self.home).read_text("ascii").strip()
        return self

    def __exit__(self, _kind: object, fault: BaseException | None, _where: object) -> None:
        if fault is not None:
            fault.add_note(f"The daemon said last:\n{log_path(self.home).read_text('utf-8', 'replace')[-4000:]}")
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise

    def line(self) -> "Line":
        """A new connection."""
        return Line(self.address, self.key)

    def command(self, *words: str, environ: Mapping[str, str] | None = None) -> float:
        """Run `membox WORDS` on this home, with more in its environment; the seconds it took, from start to exit."""
        begin = perf_counter()
        subprocess.run(
            self._command(*words), check=True, env=self._environ | dict(environ or {}), stdout=subprocess.DEVNULL
        )
        return perf_counter() - begin

    def memory(self) -> float | None:
        """The proportional set size of the daemon and its children in MB; None where the kernel does not say."""
        try:
            pages = [_pss_kb(pid) for pid in (self._process.pid, *_descendants(self._process.pid))]
        except OSError:
            return None
        return sum(pages) / 1024

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "appliance.cli.main", "--home", str(self.home), *words]


class Line:
    """One client's keep-alive connection, on a bare socket: what a client computes is taken from what it measures."""

    def __init__(self, address: str, key: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._socket.makefile("rb")
        self._headers = f"Host: {address}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"

    def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> float:
        """The seconds from the request's first byte to the answer's last; raises on any answer but 200."""
        return self._exchange("POST", path, body, headers or {})[0]

    def get(self, path: str) -> float:
        """The same for GET."""
        return self._exchange("GET", path, b"", {})[0]

    def told(self, path: str) -> Any:
        """The JSON that GET answers."""
        return json.loads(self._exchange("GET", path, b"", {})[1])

    def close(self) -> None:
        """Hang up."""
        self._answers.close()
        self._socket.close()

    def _exchange(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[float, bytes]:
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"{method} {path} HTTP/1.1\r\n{self._headers}{more}Content-Length: {len(body)}\r\n\r\n"
        begin = perf_counter()
        self._socket.sendall(head.encode() + body)
        status, answer = self._answer()
        seconds = perf_counter() - begin
        if status != HTTPStatus.OK:
            raise UnavailableError("refused", f"{method} {path} was answered {status}: {answer[:500]!r}")
        return seconds, answer

    def _answer(self) -> tuple[int, bytes]:
        """Status and body of the next answer; membox always says how long it is."""
        words = self._answers.readline().split()
        if len(words) < 2:
            raise UnavailableError("hung_up", "The daemon hung up without an answer.")
        status, length = int(words[1]), 0
        while header := self._answers.readline().strip():
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return status, self._answers.read(length)


def remember_body(texts: list[str]) -> bytes:
    """The request that remembers `texts`."""
    return _json({"items": [{"type": "fact", "text": text} for text in texts]})


def recall_body(query: str) -> bytes:
    """The request that asks `query`."""
    return _json({"query": query})


def note_body(text: str) -> bytes:
    """The request that captures `text`."""
    return json.dumps({"text": text}).encode()


def _json(fields: dict[str, Any]) -> bytes:
    return json.dumps({"tenant_id": TENANT, "agent_id": AGENT} | fields).encode()


def _is_ours(name: str) -> bool:
    return name.startswith(("MEMBOX_", "BRAINSTEM_"))


def _pss_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _descendants(pid: int) -> list[int]:
    children = [int(child) for tasks in Path(f"/proc/{pid}/task").iterdir() for child in _children(tasks)]
    return children + [each for child in children for each in _descendants(child)]


def _children(task: Path) -> list[str]:
    return (task / "children").read_text("ascii").split()
