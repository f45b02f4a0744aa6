"""Take secrets out of what cloud-init keeps of its user-data, once the box has used them (contract box)."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from appliance.durable import sync, write_atomically

__all__ = ["CACHES", "secrets_in", "strike_out", "wipe"]

# Where cloud-init leaves what it was given: its cache, its run directory, the seed of a container or image, and the
# boot partition of a Raspberry Pi.
CACHES = (
    Path("/var/lib/cloud"),
    Path("/run/cloud-init"),
    Path("/boot/firmware/user-data"),
)
_SECRET = re.compile(r"""^(\w+_(?:auth_key|password|token|secret)):[ \t]*(["']?)([^\s"'#]+)\2""", re.MULTILINE)


def secrets_in(answers: Sequence[Path]) -> set[str]:
    """The values of those variables whose names say that they are secrets, as one-line text."""
    return {match[3] for path in answers for match in _SECRET.finditer(path.read_text(encoding="utf-8"))}


def strike_out(answers: Iterable[Path]) -> None:
    """Empty the secrets in files of answers: they were for one use, and are not needed to run the playbook again."""
    for path in answers:
        text = path.read_text(encoding="utf-8")
        if (emptied := _SECRET.sub(r'\1: ""', text)) != text:
            write_atomically(path, emptied)


def wipe(secrets: Iterable[str], caches: Iterable[Path] = CACHES) -> list[Path]:
    """Write over every occurrence of `secrets` in the files under `caches`; the files it changed.

    Each is replaced by as many x: cloud-init pickles its user-data, and reads that again at every boot, so that the
    length must stay. It is done in place, as a new file would leave the old one's blocks on the disk.
    """
    wanted = [secret.encode() for secret in secrets if secret]
    return [path for cache in caches for path in _files(cache) if _overwrite(path, wanted)]


def _files(cache: Path) -> list[Path]:
    if cache.is_file():
        return [cache]
    return [
        Path(directory, name)
        for directory, _, names in os.walk(cache)
        for name in names
        if (path := Path(directory, name)).is_file() and not path.is_symlink()
    ]


def _overwrite(path: Path, wanted: Iterable[bytes]) -> bool:
    content = before = path.read_bytes()
    for secret in wanted:
        content = content.replace(secret, b"x" * len(secret))
    if content == before:
        return False
    with path.open("r+b") as file:
        file.write(content)
    sync(path)
    return True
