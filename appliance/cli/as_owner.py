"""Root's commands on a home that is another user's: what root made there would be out of the daemon's reach."""

import os
import sys
from pathlib import Path

from appliance.machine import Machine, Said


def as_owner(home: Path, *words: str) -> Said | None:
    """Run `membox WORDS` on `home` as the user it belongs to; None when that could not be done."""
    command = (sys.executable, "-m", "appliance.cli.main", "--home", str(home), *words)
    owner = home.stat()
    if os.geteuid() == 0 and owner.st_uid:
        user = (f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups")
        command = ("setpriv", *user, "--reset-env", "--", *command)
    return Machine().ask(*command, seconds=120)
