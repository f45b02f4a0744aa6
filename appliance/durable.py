"""Bringing files to the disk, so that what was acknowledged outlives a crash."""

import errno
import glob
import os
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

_LEFTOVER_SECONDS = 3600.0


class ChangedError(Exception):
    """A file is no longer what was read of it."""


def sync(path: Path) -> None:
    """Bring one file, or a directory's names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(file: Path, content: str | bytes, mode: int = 0o600) -> None:
    """Replace `file` by `content` so that a crash leaves one of the two; by default only its owner can read it."""
    partial = file.with_name(file.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content.encode() if isinstance(content, str) else content)
        out.flush()
        os.fsync(out.fileno())
    partial.replace(file)
    sync(file.parent)


def rewrite(file: Path, content: bytes, before: os.stat_result | None) -> None:
    """Replace somebody's `file`, which looked like `before` (None: was not there), keeping its permissions and owner.

    Whoever wants a link followed resolves it first. A file that was not there is made, for its owner only, and its
    directory if that alone is missing.

    Raises:
        ChangedError: it looks otherwise now; read it again.
        OSError: it cannot be written; it is as it was.
    """
    if before and not os.access(file, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))
    file.parent.mkdir(exist_ok=True)
    _clear_leftovers(file)
    descriptor, name = tempfile.mkstemp(prefix=_prefix(file), dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            if before:
                _make_alike(descriptor, before)
            os.fsync(descriptor)
        if not _looks_like(file, before):
            raise ChangedError
        os.replace(name, file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync(file.parent)


def _make_alike(descriptor: int, before: os.stat_result) -> None:
    now = os.fstat(descriptor)
    if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        os.fchown(descriptor, before.st_uid, before.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(before.st_mode))


def _looks_like(file: Path, before: os.stat_result | None) -> bool:
    try:
        now = os.lstat(file)
    except FileNotFoundError:
        return before is None
    return before is not None and _look(now) == _look(before)


def _look(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode


def _prefix(file: Path) -> str:
    return f".{file.name[:100]}.membox-"


def _clear_leftovers(file: Path) -> None:
    """Remove what a killed process left of an earlier rewrite."""
    for left in file.parent.glob(f"{glob.escape(_prefix(file))}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _LEFTOVER_SECONDS:
                left.unlink()
