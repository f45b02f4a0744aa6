"""What a home remembers of its snapshots, in HOME/backup-state.json: for the checks and for the next run."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.backup.files import disk_fault
from appliance.clock import Clock
from appliance.durable import write_atomically
from appliance.errors import ConflictError, MemboxError
from appliance.home import run_directory
from appliance.lease import make_home

FILE = "backup-state.json"
_LOCK = "snapshot.lock"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Repository(_Record):
    """Which repository was used last: its address and restic's identity of it."""

    location: str
    id: str


class Taken(_Record):
    """The last snapshot; `added` is how many of its `bytes` the repository did not have yet."""

    at: datetime
    id: str
    repository: str
    files: int
    bytes: int
    added: int


class Outcome(_Record):
    """How something went, in a sentence."""

    at: datetime
    ok: bool
    sentence: str


class BackupState(_Record):
    """All of it: `snapshot` is the last one stored, `attempt` the last try; `key_*` say when a person had the key.

    `first_copy_at`: since when there has been something to drill, a mirror or a snapshot.
    """

    repository: Repository | None = None
    snapshot: Taken | None = None
    attempt: Outcome | None = None
    drill: Outcome | None = None
    first_copy_at: datetime | None = None
    key_shown_at: datetime | None = None
    key_confirmed_at: datetime | None = None


def read(home: Path) -> BackupState:
    """The state of `home`; an empty one when there is none that can be read."""
    try:
        return BackupState.model_validate_json((home / FILE).read_bytes())
    except (OSError, ValidationError):
        return BackupState()


def update(home: Path, **changes: object) -> BackupState:
    """Change some fields of the state, durably."""
    with _locked(home):
        state = read(home).model_copy(update=changes)
        write_atomically(home / FILE, state.model_dump_json(indent=1) + "\n")
        return state


def note_copy(home: Path, at: datetime) -> None:
    """A copy was stored; only when the first was is kept."""
    if read(home).first_copy_at is None:
        update(home, first_copy_at=at)


@contextmanager
def remembered(home: Path, what: str, clock: Clock) -> Iterator[Callable[[str], None]]:
    """Keep how it goes as the outcome `what`: an error by its sentence, success by what the function is told.

    Raises what is raised inside; a full or broken disk as the error that says so.
    """

    def remember(sentence: str, ok: bool = True) -> None:
        update(home, **{what: Outcome(at=clock(), ok=ok, sentence=sentence)})

    try:
        yield remember
    except MemboxError as fault:
        remember(fault.sentence, ok=False)
        raise
    except OSError as fault:
        told = disk_fault(fault, home)
        remember(told.sentence, ok=False)
        raise told from fault


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Be the only one who takes a snapshot of `home` or drills; ConflictError when somebody else does."""
    descriptor = _open(home, _LOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as fault:
        os.close(descriptor)
        raise ConflictError(
            "snapshot_running", "A snapshot or drill of this box is under way; look again when it has finished."
        ) from fault
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    descriptor = _open(home, f"{FILE}.lock")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _open(home: Path, name: str) -> int:
    make_home(home)
    return os.open(run_directory(home) / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
