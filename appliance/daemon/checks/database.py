"""Does the database take writes, and is it sound?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from appliance.daemon.findings import Finding, error, ok, warn

if TYPE_CHECKING:
    from appliance.box import Box

_RESTORE = "Stop the daemon and bring back a good copy: `membox backup restore MIRROR --replace`."


def check(box: "Box", deep: bool) -> Iterator[Finding]:
    """Whether the writer lives; deep, every page, reference and index entry."""
    if not box.database.is_alive():
        yield error("database", "The database takes no writes.", "Start the daemon again; its log says why.")
        return
    for sentence in box.database.lacks():
        yield warn("database", *sentence)
    faults = box.database.check() if deep else []
    if faults:
        yield error("database", f"The database is damaged: {'; '.join(faults[:3])}.", _RESTORE)
    else:
        checked = ", its full integrity check passes" if deep else ""
        yield ok("database", f"The database takes writes{checked}; {box.database.size() / 1e6:.1f} MB.")
