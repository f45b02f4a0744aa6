"""Are there snapshots off the box, and are they fresh?"""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from appliance.clock import iso, to_ms
from appliance.daemon.findings import Finding, ok, warn

if TYPE_CHECKING:
    from appliance.box import Box

_LONGEST = timedelta(days=2)  # the box's timer takes one a day
_REMEDY = "Run `membox backup snapshot`; on a box, `journalctl -u membox-snapshot` says how the last ones went."


def check(box: "Box", _deep: bool) -> Iterator[Finding]:
    """The last try went well, and the last snapshot in the repository is not older than two days."""
    repository, state = box.backup.settings.snapshot_repository, box.backup.state
    last = state.snapshot if state.snapshot and state.snapshot.repository == repository else None
    if not repository:
        yield ok("snapshots", "No snapshots off the box are set (backups.snapshot_repository).")
    elif state.attempt and not state.attempt.ok:
        yield warn("snapshots", f"The last snapshot failed. {state.attempt.sentence}", _REMEDY)
    elif last is None:
        yield warn("snapshots", f"Nothing has been stored in {repository} yet.", _REMEDY)
    elif box.clock() - last.at > _LONGEST:
        yield warn("snapshots", f"The last snapshot in {repository} is too old: {iso(to_ms(last.at))}.", _REMEDY)
    else:
        yield ok("snapshots", f"Stored in {repository} at {iso(to_ms(last.at))}.")
