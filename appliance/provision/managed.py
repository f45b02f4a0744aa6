"""The files that the roles wrote, and whether somebody changed them since.

`python -m appliance.provision.managed PATH…` is the last step of the playbook: it records, in /etc/membox/managed.json,
the SHA-256 of each file as ``{path: digest}``, and prints ``changed`` or ``same``. Files with secrets do not belong
there: everybody may read the manifest, so that the daemon can.
"""

import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from appliance.durable import write_atomically
from appliance.machine import Machine

MANIFEST = "/etc/membox/managed.json"


def record(machine: Machine, paths: Iterable[str]) -> bool:
    """Make the manifest list exactly those of `paths` that exist, as they are now; whether that changed it."""
    found = {path: digest for path in sorted(set(paths)) if (digest := _digest(machine.path(path)))}
    text = json.dumps(found, indent=1) + "\n"
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
    text = machine.read(MANIFEST)
    listed = json.loads(text) if text else {}
    if not isinstance(listed, dict):
        raise ValueError("not a table of files")
    states = {path: _state(machine.path(path), digest) for path, digest in listed.items()}
    return {path: state for path, state in states.items() if state}


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
    sys.stdout.write("changed\n" if record(Machine(), sys.argv[1:]) else "same\n")
