"""A daemon without a terminal: started in a session of its own, its words kept in run/daemon.log."""

import os
import shutil
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import BinaryIO

from appliance import lease
from appliance.errors import MemboxError, NotConfiguredError, StorageFullError, UnavailableError
from appliance.home import log_path
from appliance.lease import DAEMON, Holder

START_SECONDS = 60.0
LOG_LIMIT_BYTES = 5 * 1024 * 1024
_NOT_CONFIGURED = 2  # contract notebook, Refresh: exit codes
_ROOM_FOR_WORDS = 4096  # bytes; with less free, the child could not say what ended it
_POLL_SECONDS = 0.05


def start_detached(
    home: Path, host: str | None = None, port: int | None = None, seconds: float = START_SECONDS
) -> Holder:
    """Start the daemon of `home` in the background and return once it serves.

    Raises:
        NotConfiguredError, UnavailableError: it did not come up; the sentence is its own.
    """
    _refuse_second(home)
    log = log_path(home)
    with _opened_log(home) as out:
        begin = out.tell()
        child = subprocess.Popen(
            _command(home, host, port), stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = lease.holder(home)
        if found and found.ready and found.pid == child.pid:
            return found
        if child.poll() is not None:
            raise _failure(child.returncode, log, begin)
        time.sleep(_POLL_SECONDS)
    child.terminate()
    raise UnavailableError("not_ready", f"The daemon was not ready after {seconds:g} s and was ended; {log} says more.")


def logs(home: Path, lines: int = 100) -> list[str]:
    """The last `lines` lines of the log of the daemon started detached; none when it never was."""
    try:
        with log_path(home).open(encoding="utf-8", errors="replace") as file:
            return [line.rstrip("\n") for line in deque(file, maxlen=lines)]
    except FileNotFoundError:
        return []


def _refuse_second(home: Path) -> None:
    found = lease.holder(home)
    if found and found.what == DAEMON:
        raise UnavailableError("home_in_use", lease.in_use(home, found))


def _command(home: Path, host: str | None, port: int | None) -> list[str]:
    command = [sys.executable, "-m", "appliance.cli.main", "--home", str(home), "daemon", "start"]
    command += ["--host", host] if host else []
    command += ["--port", str(port)] if port is not None else []
    return command


def _opened_log(home: Path) -> BinaryIO:
    """The log, opened for appending; one that has grown large is set aside first, the one before is dropped."""
    log = log_path(home)
    try:
        lease.make_home(home)
        if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
            log.replace(log.with_name(log.name + ".1"))
        return os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
    except OSError as fault:
        raise lease.unwritable(home, fault) from fault


def _failure(exit_code: int, log: Path, begin: int) -> MemboxError:
    """The error that ended the child, in its own words: the last line it wrote."""
    with log.open(encoding="utf-8", errors="replace") as file:
        file.seek(begin)
        said = [line.strip() for line in file if line.strip()]
    if not said and shutil.disk_usage(log.parent).free < _ROOM_FOR_WORDS:
        return StorageFullError("disk_full", f"The disk that holds {log} is full; free some space and try again.")
    sentence = said[-1].removeprefix("Error: ") if said else f"it ended with exit code {exit_code} and said nothing"
    kind = NotConfiguredError if exit_code == _NOT_CONFIGURED else UnavailableError
    return kind("not_started", sentence)
