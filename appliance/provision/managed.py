"""The files that the roles wrote, and whether somebody changed them since.

`python -m appliance.provision.managed PATH…` is the last step of the playbook: it records, in /etc/membox/managed.json,
the SHA-256 of each file as ``{path: digest}``, and prints ``changed`` or ``same``; with ``--also`` before the paths,
what else is listed stays. Files with secrets do not belong there: everybody may read the manifest, so that the daemon
can.
"""

import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from appliance.durable import write_atomically
from appliance.machine import Machine

MANIFEST = "/etc/membox/managed.json"


def record(machine: Machine, paths: Iterable[str], also: bool = False) -> bool:
    """Make the manifest list those of `paths` that exist, as they are now; whether that changed it.

    With `also` the others that are listed stay as they are, otherwise they go.
    """
    ours = set(paths)
    found = {path: digest for path in ours if (digest := _digest(machine.path(path)))}
    kept = {path: digest for path, digest in _listed(machine).items() if path not in ours} if also else {}
    text = json.dumps(kept | found, indent=1, sort_keys=True) + "\n"
    file = machine.path(MANIFEST)
    if file.is_file() and file.read_text("utf-8") == text:
        return False
    write_atomically(file, text)
    file.chmod(0o644)
    return True


def changed_by_hand(machine: Machine) -> dict[str, str]:
    """The managed files that are not as the roles left them: path -> ``changed`` or ``gone``.

    A file that we may not read is passed over. Raises ValueError when the manifest is damaged.
    """
    states = {path: _state(machine.path(path), digest) for path, digest in _listed(machine).items()}
    return {path: state for path, state in states.items() if state}


def _listed(machine: Machine) -> dict[str, str]:
    text = machine.read(MANIFEST)
    listed = json.loads(text) if text else {}
    if not isinstance(listed, dict):
        raise ValueError("not a table of files")
    return listed


def _state(file: Path, digest: str) -> str:
    try:
        now = _digest(file)
    except OSError:
        return ""
    return "gone" if now is None else "" if now == digest else "changed"


def _digest(file: Path) -> str | None:
    """The file's SHA-256; None when there is none."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


if __name__ == "__main__":
    _also = sys.argv[1:2] == ["--also"]
    sys.stdout.write("changed\n" if record(Machine(), sys.argv[1 + _also :], _also) else "same\n")
