"""Can others on this machine read the home?"""

import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING

from appliance.daemon.findings import Finding, ok, warn

if TYPE_CHECKING:
    from appliance.box import Box


def check(box: "Box", _deep: bool) -> Iterator[Finding]:
    """The home is closed to everyone but its owner and, on a box, its group."""
    open_to_all = box.home.stat().st_mode & stat.S_IRWXO
    if open_to_all:
        yield warn(
            "permissions",
            f"Every user of this machine can look into {box.home}.",
            f"Close it: `chmod o-rwx {box.home}`.",
        )
    else:
        yield ok("permissions", "Only its owner can read the home.")
