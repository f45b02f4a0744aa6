"""Can others on this machine read the home?

On a box the home's group, to which the agent belongs, may pass through it (0710) to the socket in `run`, whose name it
knows. So it could to any other entry whose name it guesses, unless that is closed to it.
"""

import stat
from collections.abc import Iterator
from pathlib import Path

from appliance.daemon.findings import Finding, ok, warn
from appliance.home import run_directory
from appliance.machine import Machine


def check_machine(machine: Machine, _deep: bool) -> Iterator[Finding]:
    """The home is closed to everyone but its owner; its group may at most pass through to the socket."""
    if not machine.home.is_dir():
        return
    mode = machine.home.stat().st_mode
    if mode & stat.S_IRWXO:
        yield warn(
            "permissions",
            f"Every user of this machine can look into {machine.home}.",
            f"Close it: `chmod o-rwx {machine.home}`.",
        )
    elif mode & (stat.S_IRGRP | stat.S_IWGRP):
        yield warn(
            "permissions",
            f"The group of {machine.home} can look into it.",
            f"Close it: `chmod g-rw {machine.home}`.",
        )
    elif mode & stat.S_IXGRP and (found := _open_entries(machine.home)):
        yield warn(
            "permissions",
            f"The group of {machine.home} can get at {', '.join(path.name for path in found)} in it.",
            f"Close that: `chmod go-rwx {' '.join(map(str, found))}`.",
        )
    else:
        yield ok("permissions", "Only its owner can read the home.")


def _open_entries(home: Path) -> list[Path]:
    """What in `home` its group or others have any right to; that they may pass through the run directory is right."""
    rights = stat.S_IRWXG | stat.S_IRWXO
    allowed = {run_directory(home): stat.S_IXGRP}
    entries = [path for path in sorted(home.iterdir()) if not path.is_symlink()]
    return [path for path in entries if path.stat().st_mode & rights & ~allowed.get(path, 0)]
