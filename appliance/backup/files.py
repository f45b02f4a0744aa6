"""Files that must be whole and on the disk: hashing, syncing, listing."""

import errno
import hashlib
import os
from pathlib import Path

from appliance.durable import sync
from appliance.errors import MemboxError, StorageError, StorageFullError

_CHUNK = 1024 * 1024


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def files_under(directory: Path) -> list[str]:
    """Every file below `directory`, as sorted paths relative to it."""
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def copy_file(source: Path, target: Path, of: int | None = None) -> None:
    """Copy bytes only, readable by the owner only; the directories above are made.

    With `of`, only a file of that user: root in their directory might be led by a link to what is not theirs.
    StorageError (`foreign_file`) otherwise.
    """
    with source.open("rb") as reading:
        if of is not None and os.fstat(reading.fileno()).st_uid != of:
            raise StorageError("foreign_file", f"{source} is, or leads to, another user's file; remove it, try again.")
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as writing:
            while chunk := reading.read(_CHUNK):
                writing.write(chunk)


def sync_tree(directory: Path) -> None:
    """Bring `directory`, its files and its directories to the disk."""
    for path in [*directory.rglob("*"), directory]:
        sync(path)


def disk_fault(fault: OSError, where: Path) -> MemboxError:
    """The error for a disk that could not be written, with what to do."""
    if fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFullError(
            "backup_disk_full", f"The disk that holds {where} is full; free some space there, earlier copies are kept."
        )
    return StorageError(
        "backup_unwritable",
        f"{where} cannot be written ({fault.strerror or fault}); correct its owner or choose another.",
    )
