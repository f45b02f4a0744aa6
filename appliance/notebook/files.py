"""The working copy on disk: read without following links, written whole or not at all.

A write goes to a temporary file beside its target, is flushed, and renamed over it; the directory is flushed too.
The file it replaces keeps a second name until it has been compared with what membox last saw, so an edit that
slipped in between is found and merged, even after a crash.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import EDQUOT, ENOSPC
from pathlib import Path

from appliance.durable import sync, write_atomically
from appliance.errors import StorageError, StorageFullError
from appliance.notebook.documents import path_fault
from appliance.notebook.plaintext import MAX_TEXT_BYTES, decode

_TERM = ".membox-term"
_NEW = ".membox-new"
_OLD = ".membox-old"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a file looked like from outside; another value means it may have been edited."""

    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Seen":
        """The look of a file, from its status."""
        return cls(status.st_ino, status.st_size, status.st_mtime_ns)


@dataclass(frozen=True)
class Reading:
    """A file's text and what the file looked like before it was read."""

    text: str
    seen: Seen


class Files:
    """The files under the notebook's root. Paths are relative, as in the database."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def scan(self) -> tuple[dict[str, Seen], dict[str, str]]:
        """Every notebook file with its look, and for what had to be left out, the reason by path."""
        found: dict[str, Seen] = {}
        faults: dict[str, str] = {}
        self._scan(self._root, "", found, faults)
        return found, faults

    def _scan(self, directory: Path, prefix: str, found: dict[str, Seen], faults: dict[str, str]) -> None:
        try:
            entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
        except FileNotFoundError:
            return
        except OSError as fault:
            faults[_shown(prefix) or "."] = f"it cannot be listed ({fault.strerror})"
            return
        for entry in entries:
            path = f"{prefix}{entry.name}"
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                self._scan(directory / entry.name, f"{path}/", found, faults)
            elif reason := _fault(entry, path):
                faults[_shown(path)] = reason
            elif entry.name.endswith(".md"):
                with suppress(FileNotFoundError):  # removed since it was listed
                    found[path] = Seen.of(entry.stat(follow_symlinks=False))

    def look(self, path: str) -> Seen | None:
        """What the file looks like now; None when there is none. `Files.read` says why when it cannot be told."""
        try:
            return Seen.of(os.lstat(self._root / path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            return Seen(0, 0, 0)

    def read(self, path: str, limit: int = MAX_TEXT_BYTES) -> Reading | None:
        """The file's text; None when there is no file.

        Raises:
            StorageError: it is no plain text file of at most `limit` bytes, or cannot be read; the sentence is the
                reason alone.
        """
        if self.is_behind_link(path):
            raise StorageError("linked_directory", "its directory is a link")
        return self._read(self._root / path, limit)

    def is_behind_link(self, path: str) -> bool:
        """Whether a directory on the way to the file is a link, and so leads outside the notebook."""
        return any(above.is_symlink() for above in (self._root / path).parents[: path.count("/")])

    def check_writable(self, path: str) -> None:
        """Raise StorageError `linked_directory` when the file lies behind a link: nothing is written outside."""
        if self.is_behind_link(path):
            sentence = f"{path} lies in a directory that is a link; put a plain directory in its place."
            raise StorageError("linked_directory", sentence)

    def _read(self, target: Path, limit: int) -> Reading | None:
        try:
            if not stat.S_ISREG(os.lstat(target).st_mode):
                raise StorageError("not_a_file", "it is a link or no plain file")
            handle = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as fault:
            raise StorageError("file_unreadable", f"it cannot be read ({fault.strerror})") from fault
        with open(handle, "rb") as file:
            seen = Seen.of(os.fstat(file.fileno()))
            raw = file.read(limit + 1)
        if len(raw) > limit:
            raise StorageError("file_too_large", f"it is larger than {limit // (1024 * 1024)} MB")
        return Reading(decode(raw), seen)

    def write(self, path: str, text: str) -> Seen:
        """Put `text` in the file, durably; the file replaced stays under its second name: see `replaced`.

        Raises:
            StorageFullError: no room; the file is as it was.
            StorageError: the file cannot be written.
        """
        self.check_writable(path)
        target = self._root / path
        fresh = _second_name(target, _NEW)
        with _writing(path):
            self._make_directory(target.parent)
            try:
                seen = _write_out(fresh, text.encode(), _mode(target))
                _keep(target)
                os.replace(fresh, target)
            except OSError:
                fresh.unlink(missing_ok=True)
                raise
            sync(target.parent)
        return seen

    def remove(self, path: str) -> None:
        """Take the file away, durably; it stays under its second name: see `replaced`."""
        target = self._root / path
        with _writing(path):
            _keep(target)
            target.unlink(missing_ok=True)
            sync(target.parent)

    def replaced(self, path: str, expected: Seen | None, limit: int) -> str | None:
        """What the last write replaced, if that was not the file that looked like `expected`; else None.

        A replaced file that is no text is set aside under a name of its own.
        """
        kept = _second_name(self._root / path, _OLD)
        try:
            if Seen.of(os.lstat(kept)) == expected:
                return None
            reading = self._read(kept, limit)
        except FileNotFoundError:
            return None
        except StorageError:
            self._set_aside(kept, path)
            return None
        return reading.text if reading else None

    def drop_replaced(self, path: str) -> None:
        """Let go of what the last write replaced."""
        _second_name(self._root / path, _OLD).unlink(missing_ok=True)

    def set_aside(self, path: str) -> str:
        """Rename a file that cannot be read as text, so that nothing of it is lost; its new name."""
        self.check_writable(path)
        with _writing(path):
            return self._set_aside(self._root / path, path)

    def _set_aside(self, source: Path, path: str) -> str:
        for number in range(1, 1000):
            aside = f"{path}.unreadable-{number}"
            if not os.path.lexists(self._root / aside):
                os.rename(source, self._root / aside)
                return aside
        raise OSError(ENOSPC, "too many files were set aside")

    def term(self) -> int:
        """The term in which these files were last kept in step with a database that others share; 0 when never."""
        try:
            return int((self._root / _TERM).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return 0

    def note_term(self, term: int) -> None:
        """Say that these files are kept in step now, in that term."""
        with _writing(_TERM):
            self._root.mkdir(parents=True, exist_ok=True)
            write_atomically(self._root / _TERM, str(term))

    def leftovers(self) -> list[str]:
        """After a crash: discard half-written files; the paths whose replaced file still has its second name."""
        paths: list[str] = []
        for directory, names, files in os.walk(self._root):
            names[:] = [name for name in names if not name.startswith(".")]
            for name in files:
                if name.startswith(".") and name.endswith(_NEW):
                    (Path(directory) / name).unlink(missing_ok=True)
                elif name.startswith(".") and name.endswith(_OLD):
                    first = Path(directory) / name[1:].removesuffix(_OLD)
                    paths.append(first.relative_to(self._root).as_posix())
        return sorted(path for path in paths if not path_fault(path))

    def _make_directory(self, directory: Path) -> None:
        """Create `directory`, durably."""
        self._root.mkdir(parents=True, exist_ok=True)
        step = self._root
        for part in directory.relative_to(self._root).parts:
            above, step = step, step / part
            if not step.exists():
                step.mkdir()
                sync(above)


def _fault(entry: os.DirEntry[str], path: str) -> str:
    """Why what looks like part of the notebook cannot be; empty when it can, or does not look like it."""
    is_markdown = entry.name.endswith(".md")
    if entry.is_symlink():
        return "it is a link, and links are not followed" if is_markdown or entry.is_dir() else ""
    return path_fault(path) if is_markdown else ""


def _shown(path: str) -> str:
    """A file's name as text on one line, even one that is not UTF-8."""
    return "".join(char if char.isprintable() else "?" for char in path)


@contextmanager
def _writing(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        if fault.errno in (ENOSPC, EDQUOT):
            sentence = f"The disk is full; {path} could not be written. Free some space: nothing stored is lost."
            raise StorageFullError("disk_full", sentence) from fault
        sentence = f"{path} could not be written ({fault.strerror}). Check the rights of the notebook's directory."
        raise StorageError("file_not_written", sentence) from fault


def _second_name(target: Path, ending: str) -> Path:
    return target.with_name(f".{target.name}{ending}")


def _mode(target: Path) -> int | None:
    """The rights of the file to be replaced; None when there is none."""
    try:
        status = os.lstat(target)
    except FileNotFoundError:
        return None
    return stat.S_IMODE(status.st_mode) if stat.S_ISREG(status.st_mode) else None


def _write_out(target: Path, raw: bytes, mode: int | None) -> Seen:
    target.unlink(missing_ok=True)
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    with open(handle, "wb") as file:
        file.write(raw)
        file.flush()
        if mode is not None:
            os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
        return Seen.of(os.fstat(file.fileno()))


def _keep(target: Path) -> None:
    """Give `target` a second name; a copy where the file system has no hard links."""
    kept = _second_name(target, _OLD)
    kept.unlink(missing_ok=True)
    try:
        os.link(target, kept, follow_symlinks=False)
    except FileNotFoundError:
        return
    except OSError:
        with suppress(FileNotFoundError):
            shutil.copy2(target, kept, follow_symlinks=False)
