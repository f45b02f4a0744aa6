"""Did the last drill bring the box back?"""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from appliance.clock import iso, to_ms
from appliance.daemon.findings import Finding, error, ok, warn

if TYPE_CHECKING:
    from appliance.box import Box

_LONGEST = timedelta(days=15)  # one a week, and one may be missed
_NEVER = "Run `membox backup drill`; then look whether `daemon.drill_enabled` is set, and membox-drill.timer runs."
_REMEDY = "Run `membox backup drill`; when it fails again, take a fresh copy: `membox backup now` or `snapshot`."


def check(box: "Box", _deep: bool) -> Iterator[Finding]:
    """Where there are copies, one was brought back to a temporary home not long ago, and answered as a box."""
    backup = box.backup
    known = backup.state
    drill, since = known.drill, known.first_copy_at
    if not backup.settings.snapshot_repository and backup.mirror_path is None:
        yield ok("drill", "There is no copy to drill.")
    elif drill is None and since and box.clock() - since > _LONGEST:
        yield warn("drill", f"No copy has ever been drilled, and there are copies since {iso(to_ms(since))}.", _NEVER)
    elif drill is None:
        yield ok("drill", "No copy has been drilled yet; it is done once a week.")
    elif not drill.ok:
        yield error("drill", f"The last drill failed: {drill.sentence}", _REMEDY)
    elif box.clock() - drill.at > _LONGEST:
        yield warn("drill", f"The last drill was at {iso(to_ms(drill.at))}, too long ago.", _REMEDY)
    else:
        yield ok("drill", f"Drilled at {iso(to_ms(drill.at))}: {drill.sentence}.")
