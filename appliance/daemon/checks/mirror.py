"""Is there a second copy, and is it fresh?"""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from appliance.clock import from_ms, iso
from appliance.daemon.findings import Finding, error, ok, warn
from appliance.daemon.jobs import jobs_of
from appliance.daemon.runs import OK, Runs

if TYPE_CHECKING:
    from appliance.box import Box

_PATIENCE = timedelta(hours=1)


def check(box: "Box", deep: bool) -> Iterator[Finding]:
    """A mirror is configured, and its last good run is not older than two of its turns; deep, its disk is there."""
    path = box.backup.mirror_path
    snapshot = box.backup.state.snapshot
    if path is None and snapshot and snapshot.repository == box.backup.settings.snapshot_repository:
        yield ok("mirror", f"No mirror is set; the second copy of this box is in {snapshot.repository}.")
        return
    if path is None:
        yield warn(
            "mirror",
            "There is no second copy of this box: when its disk fails, everything is lost.",
            "Name a directory on another disk: `membox config set daemon.backup_mirror_path PATH`.",
        )
        return
    if deep and not box.backup.generations():
        yield error("mirror", f"There is no copy at {path}.", "Is that disk mounted? Then run `membox backup now`.")
        return
    last = Runs(box.database, box.clock).last("mirror", OK)
    if last is None:
        yield warn("mirror", f"Nothing has been copied to {path} yet.", "Run `membox backup now`.")
    elif box.clock() - from_ms(last.started_at) > _longest(box):
        sentence = f"The last copy at {path} is of {iso(last.started_at)}, older than it should be."
        yield warn("mirror", sentence, "Run `membox backup now`; does the daemon run all the time?")
    else:
        yield ok("mirror", f"Copied to {path} at {iso(last.started_at)}.")


def _longest(box: "Box") -> timedelta:
    """Two turns of the mirror's schedule and a little patience."""
    cadence = next(job.cadence for job in jobs_of(box) if job.name == "mirror")
    once = cadence.after(box.clock())
    return 2 * (cadence.after(once) - once) + _PATIENCE
