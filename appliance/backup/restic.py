"""restic as a child process: one repository, one key, errors of ours.

Key and address are read by it from inherited pipes: they stand in no argument list, environment or file. Works with
restic from 0.14 on (Debian 12); the exit codes that tell what went wrong came with 0.17, before that its words do.
"""

import json
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from appliance.errors import (
    ConflictError,
    ForbiddenError,
    MemboxError,
    NotConfiguredError,
    NotFoundError,
    StorageError,
    StorageFullError,
    UnavailableError,
)

TAG = "membox"  # what is ours in a repository
_NO_REPOSITORY, _LOCKED, _WRONG_KEY = 10, 11, 12  # exit codes
_SOON, _LATER, _MUCH_LATER = 90.0, 600.0, 7200.0  # seconds without news before it counts as hanging

# Told how many bytes are done, and of how many.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot in a repository; `bytes` is None where this restic does not record it."""

    id: str
    taken_at: datetime
    host: str
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Stored:
    """What one `backup` did: the snapshot's id, its size, and how many bytes of it were new to the repository."""

    id: str
    files: int
    bytes: int
    added: int


class Restic:
    """One repository, opened with one key.

    Every method raises, beside what it says itself:
        NotConfiguredError: restic is not installed.
        ForbiddenError: `wrong_recovery_key`.
        NotFoundError: `no_repository`.
        ConflictError: `repository_locked`; another machine works on it.
        UnavailableError: it cannot be reached, or does not answer.
        StorageFullError, StorageError: it cannot be written.

    Args:
        repository: a path, `sftp:…` or `rest:…`, as people see it.
        password: of the repository's server, to be put into a `rest:` address; "" for none.
        cache: a directory for its cache; without one everything is read from the repository.
        patience: factor on the seconds without news after which it counts as hanging.
    """

    def __init__(
        self, repository: str, key: str, password: str = "", cache: Path | None = None, patience: float = 1.0
    ) -> None:
        self.repository = repository
        self._secrets = (_with_password(repository, password), key)
        self._cache = ["--cache-dir", str(cache)] if cache else ["--no-cache"]
        self._patience = patience

    def open(self) -> str:
        """Prove that the key opens the repository; its identity."""
        return str(json.loads(self._run(["cat", "config"], _SOON))["id"])

    def init(self) -> None:
        """Make the repository."""
        self._run(["init"], _SOON)

    def unlock(self) -> None:
        """Remove locks whose process on this machine is dead, or that nobody has renewed for half an hour."""
        self._run(["unlock"], _SOON)

    def backup(self, directory: Path, progress: Progress) -> Stored:
        """Store what is in `directory`; unchanged data is stored once, whatever the directory is called."""
        lines = self._lines(["backup", "--json", "--tag", TAG, "."], _LATER, directory)
        done = _last_summary(lines, progress)
        return Stored(
            str(done["snapshot_id"])[:8],  # newer ones give all of it
            int(done["total_files_processed"]),
            int(done["total_bytes_processed"]),
            int(done["data_added"]),
        )

    def snapshots(self) -> list[Snapshot]:
        """Our snapshots in the repository, newest first."""
        found = json.loads(self._run(["snapshots", "--json", "--tag", TAG], _LATER)) or []
        return sorted((_snapshot(entry) for entry in found), key=lambda each: each.taken_at, reverse=True)

    def forget(self, daily: int, weekly: int, monthly: int) -> None:
        """Let old snapshots go, and the data that only they held; the newest always stays."""
        keep = ["--keep-last", "1"]
        for name, count in (("daily", daily), ("weekly", weekly), ("monthly", monthly)):
            keep += [f"--keep-{name}", str(count)] if count else []
        # All of them are one box's, whatever the machine was called and the directory they came from.
        self._run(["forget", "--tag", TAG, "--group-by", "", *keep, "--prune", "--quiet"], _MUCH_LATER)

    def restore(self, snapshot: str, target: Path, progress: Progress) -> None:
        """Write the files of a snapshot below `target`."""
        json_lines = ["--json"] if _tells_of_restoring() else []
        for line in self._lines(["restore", snapshot, "--target", str(target), *json_lines], _MUCH_LATER, None):
            if status := _message(line):
                _tell(status, "bytes_restored", progress)

    def _run(self, words: Sequence[str], patience: float) -> str:
        return "\n".join(self._lines(words, patience, None))

    def _lines(self, words: Sequence[str], patience: float, directory: Path | None) -> Iterator[str]:
        """The lines that restic prints, as they come."""
        with (
            tempfile.TemporaryFile() as errors,
            _started(self._secrets, [*self._cache, *words], directory, errors) as (
                process,
                output,
            ),
        ):
            try:
                yield from _lines_of(output, patience * self._patience)
                code = process.wait(patience * self._patience)
            except (TimeoutError, subprocess.TimeoutExpired):
                raise UnavailableError(
                    "repository_hangs",
                    f"The repository {self.repository} does not answer; is the machine it is on there, and the "
                    "network? Nothing is lost: run it again then.",
                ) from None
            if code:
                errors.seek(0)
                raise _fault(code, errors.read().decode(errors="replace"), self.repository)


def _tells_of_restoring() -> bool:
    try:
        told = subprocess.run(["restic", "version"], capture_output=True, text=True, timeout=10, check=True).stdout
        major, minor = told.split()[1].split(".")[:2]
        return (int(major), int(minor)) >= (0, 17)
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return False


@contextmanager
def _started(
    secrets: tuple[str, str], words: list[str], directory: Path | None, errors: IO[bytes]
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """A running restic; it is asked to end when the block is left early, and made to after a while."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RESTIC_")}
    repository, key = (_pipe_with(secret) for secret in secrets)
    command = ["restic", "--repository-file", f"/dev/fd/{repository}", "--password-file", f"/dev/fd/{key}", *words]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, cwd=directory,
            env={**environ, "LC_ALL": "C", "RESTIC_PROGRESS_FPS": "2"}, pass_fds=(repository, key),
            start_new_session=True,  # no terminal: nothing that it starts may ask there
        )  # fmt: skip
    except FileNotFoundError as fault:
        raise NotConfiguredError(
            "no_restic", "Snapshots need the program restic, which is not installed: `apt install restic`."
        ) from fault
    finally:
        os.close(repository)
        os.close(key)
    assert process.stdout is not None  # noqa: S101 - it was asked for
    with process, process.stdout as output:
        try:
            yield process, output
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)  # it takes its lock away
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
            return
        process.kill()


def _pipe_with(secret: str) -> int:
    """The reading end of a pipe that holds `secret`; what was read from it is gone, unlike a file's."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as out:
        out.write(secret.encode())
    return reading


def _lines_of(output: IO[bytes], patience: float) -> Iterator[str]:
    """Lines as they come; TimeoutError after `patience` seconds in which none said anything new."""
    rest, before, deadline = b"", b"", time.monotonic() + patience
    while select.select([output], [], [], max(0.0, deadline - time.monotonic()))[0]:
        chunk = os.read(output.fileno(), 65536)
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if (news := _news(line)) != before:
                before, deadline = news, time.monotonic() + patience
            yield line.decode(errors="replace")
        if not chunk:
            if rest:
                yield rest.decode(errors="replace")
            return
    raise TimeoutError


def _news(line: bytes) -> bytes:
    """What a line says, but for the time that has passed."""
    status = _message(line.decode(errors="replace"))
    return json.dumps([status.get("bytes_done"), status.get("bytes_restored")]).encode() if status else line


def _message(line: str) -> dict[str, Any]:
    """A line of restic's JSON, empty when it is none."""
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _last_summary(lines: Iterator[str], progress: Progress) -> dict[str, Any]:
    summary: dict[str, Any] = {}
    for line in lines:
        message = _message(line)
        if message.get("message_type") == "summary":
            summary = message
        _tell(message, "bytes_done", progress)
    return summary


def _tell(message: dict[str, Any], done: str, progress: Progress) -> None:
    if message.get("message_type") == "status":
        progress(int(message.get(done, 0)), int(message.get("total_bytes", 0)))


def _snapshot(entry: dict[str, Any]) -> Snapshot:
    taken = datetime.fromisoformat(entry["time"]).astimezone(UTC)
    size = (entry.get("summary") or {}).get("total_bytes_processed")
    return Snapshot(str(entry["short_id"]), taken, str(entry.get("hostname", "")), size)


def _with_password(repository: str, password: str) -> str:
    """A `rest:` address with the password of its user."""
    if not password:
        return repository
    scheme, _, rest = repository.partition("://")
    user, at, place = rest.partition("@")
    if not at:
        raise NotConfiguredError(
            "no_repository_user",
            f"There is a password for the repository's server, but {repository} names no user; write it as "
            "rest:https://USER@HOST/PATH.",
        )
    from urllib.parse import quote

    return f"{scheme}://{user}:{quote(password, safe='')}@{place}"


def _fault(code: int, errors: str, repository: str) -> MemboxError:
    """The error for what restic said."""
    told = _last_words(errors)
    words = f"{errors}\n".lower()
    missing = "unable to open config file" in words and ("no such file" in words or "not exist" in words)
    if code == _WRONG_KEY or "wrong password or no key found" in words:
        return ForbiddenError(
            "wrong_recovery_key",
            f"The recovery key does not open {repository}: it was mistyped, or another one made it. Enter the right "
            "one (a box keeps it by `membox secrets set restic-password`), or name a repository of this box's own.",
        )
    if code == _NO_REPOSITORY or missing:
        return NotFoundError("no_repository", f"There is no snapshot repository at {repository}; is it spelt right?")
    if code == _LOCKED or "already locked" in words:
        return ConflictError(
            "repository_locked",
            f"Another machine is working on {repository} ({told}); run it again when that has finished.",
        )
    if "no space left" in words or "quota exceeded" in words:
        return StorageFullError(
            "repository_full", f"There is no room left for {repository} ({told}); free some and run it again."
        )
    if "permission denied" in words or "read-only file system" in words:
        return StorageError(
            "repository_refused", f"{repository} did not let us in ({told}); see to its owner, or to the key for it."
        )
    return UnavailableError("repository_unusable", f"The repository {repository} could not be used: {told}.")


def _last_words(errors: str) -> str:
    """The most telling line of what restic said on its error output."""
    lines = [str(_message(line).get("message", line)) for line in errors.splitlines()]
    plain = [line.strip() for text in lines for line in text.splitlines() if line.strip()]
    telling = [line for line in plain if line.startswith(("Fatal: ", "subprocess ssh: ", "Save("))] or plain
    return telling[0].removeprefix("Fatal: ").rstrip(".") if telling else "it said nothing"
