"""Did the last run of every job go well?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from appliance.clock import iso
from appliance.daemon.findings import Finding, ok, warn
from appliance.daemon.jobs import jobs_of
from appliance.daemon.runs import FAILED, Runs

if TYPE_CHECKING:
    from appliance.box import Box


def check(box: "Box", _deep: bool) -> Iterator[Finding]:
    """What failed last, in its own words; it is tried again at its next time."""
    runs, failed = Runs(box.database, box.clock), False
    for job in jobs_of(box):
        last = runs.last(job.name)
        if last and last.outcome == FAILED and job.is_enabled():
            failed = True
            yield warn(
                "jobs",
                f"The last {job.name}, at {iso(last.started_at)}, failed: {last.detail}",
                "See to that; it is tried again at its next time, or now with `membox backup now`.",
            )
    if not failed:
        yield ok("jobs", "No job failed the last time it ran.")
