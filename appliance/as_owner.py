"""Root's work on what belongs to another user, done by a child process as that user.

What root made in a home would be out of the daemon's reach, and a link in it could lead root astray.
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from appliance.errors import UnavailableError

_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


def becomes(user: int) -> bool:
    """Whether work for `user` is done as somebody else than we are."""
    return os.geteuid() == 0 and user != 0


def run_as(
    user: int,
    group: int,
    command: Sequence[str],
    environment: dict[str, str] | None,
    *,
    given: str = "",
    seconds: float = 300.0,
) -> str:
    """What `command` prints when `given` is its standard input; run by `user`, or by us where we are not root.

    It has no terminal, which could be typed into, and signals to us do not reach it. When we are interrupted or its
    time is over, it is ended with all that it has started.

    Args:
        environment: all it gets beside a PATH and a locale; None for ours.

    Raises:
        UnavailableError: `step_failed`, with its last word.
    """
    changed: dict[str, Any] = {"user": user, "group": group, "extra_groups": []} if becomes(user) else {}
    if environment is not None:
        changed["env"] = _ENVIRONMENT | environment
    try:
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd="/", umask=0o077, start_new_session=True, **changed,
        ) as child:  # fmt: skip
            try:
                out, err = child.communicate(given, timeout=seconds)
            except BaseException:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                raise
    except subprocess.TimeoutExpired as fault:
        raise UnavailableError("step_failed", f"It was ended after {seconds:.0f} s.") from fault
    except OSError as fault:
        raise UnavailableError("step_failed", f"`{Path(command[0]).name}` cannot be run ({fault}).") from fault
    if child.returncode:
        raise UnavailableError("step_failed", (err.strip() or f"exit code {child.returncode}").splitlines()[-1])
    return str(out)
