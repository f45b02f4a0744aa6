"""Writing a support bundle: one archive with what may be shown, swept once more for secrets."""

import io
import json
import os
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from appliance.errors import ConflictError
from appliance.support.sweep import Sweep

_DIRECTORY = "membox-support"
_ABOUT = """\
What `membox support-bundle` collected on this machine, to be looked at before it is sent. It holds no notes, memories,
keys, logins or names of your files: settings are listed with whether they are set, log lines without what was logged.
"""


def write_bundle(path: Path, files: Mapping[str, Any], sweep: Sweep) -> dict[str, int]:
    """Make the archive `path` (gzip, 0600) of `files`; the size of each in bytes, by its name.

    Raises:
        ConflictError: there is such a file already; it is as it was.
    """
    texts = {"README.txt": _ABOUT} | {name: _text(name, sweep.value(content)) for name, content in files.items()}
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConflictError("file_exists", f"There is a file {path} already; name another with --output.") from None
    with os.fdopen(descriptor, "wb") as out:
        _give_to_caller(descriptor)
        with tarfile.open(fileobj=out, mode="w:gz") as archive:
            for name, text in texts.items():
                _add(archive, f"{_DIRECTORY}/{name}", text.encode())
    return {name: len(text.encode()) for name, text in texts.items()}


def _text(name: str, content: Any) -> str:
    if name.endswith(".txt"):
        return "".join(f"{line}\n" for line in content)
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = len(content), int(time.time()), 0o600
    archive.addfile(member, io.BytesIO(content))


def _give_to_caller(descriptor: int) -> None:
    """What root makes for somebody behind sudo belongs to them: they are to send it."""
    user, group = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if os.geteuid() == 0 and user.isdigit() and group.isdigit():
        os.fchown(descriptor, int(user), int(group))
