"""What a switch under way has done, on the disk after each step: `switch.json` beside the releases."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from appliance.durable import sync, write_atomically
from appliance.errors import StorageError, UnavailableError

FILE = "switch.json"


@dataclass(frozen=True, slots=True)
class Record:
    """A switch of the box at `home` from `old` (None: the first release) to `new`.

    `had_database` is whether there was one before, `is_open` whether writes are let in to the new release: from then
    on there is no way back. Other releases read this too: fields may be added, and keep their meaning.
    """

    home: str
    unit: str
    old: str | None
    new: str
    had_database: bool
    is_open: bool = False


def load(root: Path) -> Record | None:
    """The switch that is under way or was cut off; None when there is none. StorageError when it is not readable."""
    file = root / FILE
    try:
        fields = json.loads(file.read_bytes())
        return Record(**{name: fields[name] for name in Record.__slots__})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as fault:
        raise StorageError("bad_record", f"{file} is not readable; it says how to go back: look at it.") from fault


def save(root: Path, record: Record) -> None:
    """Bring `record` to the disk."""
    write_atomically(root / FILE, json.dumps(asdict(record)))


def remove(root: Path) -> None:
    """The switch is over."""
    (root / FILE).unlink(missing_ok=True)
    sync(root)


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """One switch at a time. UnavailableError when another is at work, StorageError when `root` is not ours."""
    try:
        lock = (root / ".switch.lock").open("w")
    except OSError as fault:
        raise StorageError("not_root", f"{root} cannot be written ({fault.strerror}); run this as root.") from fault
    with lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            raise UnavailableError("switch_running", "Another switch of releases is at work; wait for it.") from None
        yield
