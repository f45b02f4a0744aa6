"""Is somebody working on the queued jobs, and did any fail for good?"""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from appliance.clock import to_ms
from appliance.daemon.findings import Finding, ok, warn

if TYPE_CHECKING:
    from appliance.box import Box

_RECENT = timedelta(days=7)
_PATIENCE = timedelta(minutes=10)


def check(box: "Box", _deep: bool) -> Iterator[Finding]:
    """No counts: jobs are those of all tenants."""
    now = box.clock()
    is_waiting = box.jobs.queue.has_waited_since(to_ms(now - _PATIENCE))
    has_failed = box.jobs.queue.has_failed_since(to_ms(now - _RECENT))
    if is_waiting:
        yield warn(
            "queue",
            "Jobs have been due for more than ten minutes, and nobody works on them.",
            "Set jobs.worker_enabled to true and start the daemon again, or run `membox worker`.",
        )
    if has_failed:
        yield warn(
            "queue",
            "Jobs failed for good within the last week.",
            "See `membox jobs dead-letters`; `membox jobs retry ID` tries one again.",
        )
    if not (is_waiting or has_failed):
        yield ok("queue", "No job waits for a worker, and none failed for good within the last week.")
