"""A box of a few lines: a real listener that answers what a test tells it to, and keeps what it was sent."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Received:
    """One request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


BREAK = b""
STALL = None


def answer(status: int, body: object, *more: str) -> bytes:
    """An HTTP answer with a JSON body."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"HTTP/1.1 {status} Word", "Content-Type: application/json", f"Content-Length: {len(data)}", *more, "", ""]
    return "\r\n".join(head).encode() + data


@dataclass
class ScriptedBox:
    """Answers its connections with `script`, in turn; BREAK closes without a word, STALL stays silent."""

    listener: socket.socket
    script: list[bytes | None] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    held: list[socket.socket] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address over TCP."""
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def serve(self) -> None:
        """Until the listener is closed."""
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self._turn(connection)

    def _turn(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            line = stream.readline().decode().strip()
            headers = {}
            while field_line := stream.readline().decode().strip():
                name, _, value = field_line.partition(":")
                headers[name.lower()] = value.strip()
            body = stream.read(int(headers.get("content-length", 0)))
        self.received.append(Received(line, headers, body))
        reply = self.script.pop(0)
        if reply is STALL:
            self.held.append(connection)
            return
        connection.sendall(reply)
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()


@pytest.fixture
def listening() -> Iterator[Callable[[socket.socket], ScriptedBox]]:
    """Makes a scripted box out of a bound socket, and ends it after the test."""
    boxes: list[ScriptedBox] = []

    def start(listener: socket.socket) -> ScriptedBox:
        listener.listen(8)
        box = ScriptedBox(listener)
        boxes.append(box)
        threading.Thread(target=box.serve, daemon=True).start()
        return box

    yield start
    for box in boxes:
        box.listener.shutdown(socket.SHUT_RDWR)
        box.listener.close()
        for connection in box.held:
            connection.close()


@pytest.fixture
def tcp_box(listening: Callable[[socket.socket], ScriptedBox]) -> ScriptedBox:
    """A scripted box on a free port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return listening(listener)


@pytest.fixture
def unix_box(listening: Callable[[socket.socket], ScriptedBox], tmp_path: Path) -> tuple[ScriptedBox, Path]:
    """A scripted box on a unix socket, and the socket's path."""
    listener = socket.socket(socket.AF_UNIX)
    path = tmp_path / "membox.sock"
    listener.bind(str(path))
    return listening(listener), path


@pytest.fixture
def http_answer() -> Callable[..., bytes]:
    """Makes an answer for a script."""
    return answer
