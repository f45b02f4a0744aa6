"""The child process of a provider, from the outside: what it says, until it is done or its time is over."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import IO, Any, cast

Line = dict[str, Any]
_LONGEST_LINE = 32 * 1024 * 1024  # bytes


class Children:
    """Starts children, and ends them all at `stop`. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._is_stopped = False

    def lines(self, message: Line, seconds: float) -> Generator[Line]:
        """What a child says to `message`; after `seconds`, or at `stop`, it and what it started are killed."""
        child = self._started()
        timer = threading.Timer(seconds, _kill, [child])
        timer.daemon = True
        timer.start()
        try:
            with cast("IO[bytes]", child.stdin) as into, cast("IO[bytes]", child.stdout) as out:
                with suppress(BrokenPipeError):  # it has ended already; that it says nothing tells
                    into.write(json.dumps(message).encode())
                    into.close()
                yield from _read(out)
        finally:
            timer.cancel()
            _kill(child)
            child.wait()
            with self._lock:
                self._running.discard(child)

    def stop(self) -> None:
        """End every child and let none begin."""
        with self._lock:
            self._is_stopped = True
            running = list(self._running)
        for child in running:
            _kill(child)

    def _started(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._is_stopped:
                raise OSError("the box is closing")
            # A group of its own: `claude` and what that starts are ended with it.
            child = subprocess.Popen(
                [sys.executable, "-m", "appliance.providers.child"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                start_new_session=True, env=_environment(),
            )  # fmt: skip
            self._running.add(child)
        return child


def _environment() -> dict[str, str]:
    """Ours without what speaks to membox alone, keys of it among that."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MEMBOX_", "BRAINSTEM_"))}


def _read(out: IO[bytes]) -> Iterator[Line]:
    while (line := out.readline(_LONGEST_LINE)).endswith(b"\n"):  # else its end, or it was killed in a line's middle
        yield json.loads(line)


def _kill(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
