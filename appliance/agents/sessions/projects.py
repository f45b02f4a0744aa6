"""Which project a directory is: the name by which the buffer keys what sessions in it do."""

import re
from pathlib import PurePosixPath

_UNFIT = re.compile(r"[^\w.-]+")
_LONGEST = 64  # bytes: it becomes part of a file's name
_OWN = ("membox", "own-sessions")  # where membox's own `claude -p` runs (appliance/errand.py)
_WORKTREES = (".claude", "worktrees")


def project_of(directory: str) -> str:
    """The project of a directory, or of a name given in its place: its last part; a work tree's is its repository's."""
    parts = _parts(directory)
    for at in range(len(parts) - 2, 0, -1):
        if parts[at : at + 2] == _WORKTREES:
            parts = parts[:at]
            break
    name = _UNFIT.sub("-", parts[-1] if parts else "").strip("-.")
    return name.encode()[:_LONGEST].decode(errors="ignore").rstrip("-.") or "home"


def is_own(directory: str) -> bool:
    """Whether membox itself runs there: of its own sessions nothing is taken in."""
    return _parts(directory)[-2:] == _OWN


def _parts(directory: str) -> tuple[str, ...]:
    return tuple(part for part in PurePosixPath(directory.replace("\\", "/")).parts if part not in ("/", "~", "."))
