"""Root's commands on what belongs to another user, run as that user.

What root made in a home would be out of the daemon's reach, and a link in it could lead root astray.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from appliance.errors import UnavailableError

_SECONDS = 300.0


def membox_as_owner(home: Path, *words: str) -> str:
    """What `membox WORDS` prints on `home`, run by the user to whom it belongs.

    Raises:
        UnavailableError: `step_failed`, with what it said.
    """
    found = home.stat()
    command = [sys.executable, "-I", "-m", "appliance.cli.main", "--home", str(home), *words]
    return run_as(found.st_uid, found.st_gid, command, {"HOME": str(home)})


def run_as(user: int, group: int, command: Sequence[str], environ: dict[str, str]) -> str:
    """What `command` prints, run by a user; as ourselves, with our own environment, unless we are root.

    Raises:
        UnavailableError: `step_failed`, with what it said.
    """
    changed: dict[str, Any] = {}
    if os.geteuid() == 0 and user:
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", **environ}
        changed = {"user": user, "group": group, "extra_groups": [], "env": environment}
        changed["start_new_session"] = True  # else it could type into root's terminal
    try:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS, check=False,
            cwd="/", umask=0o077, **changed,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as fault:
        raise UnavailableError("step_failed", f"`{Path(command[0]).name}` cannot be run ({fault}).") from fault
    if done.returncode:
        said = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise UnavailableError("step_failed", said)
    return done.stdout
