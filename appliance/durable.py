"""Bringing files to the disk, so that what was acknowledged outlives a crash."""

import os
from pathlib import Path


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
