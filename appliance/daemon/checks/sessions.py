"""Does the working buffer keep up with the sessions of agents, and do their hooks get through?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from appliance.daemon.findings import Finding, ok, warn

if TYPE_CHECKING:
    from appliance.box import Box


def check(box: "Box", _deep: bool) -> Iterator[Finding]:
    """Nothing of what sessions are about: that is the notebook's."""
    stale, failures = box.sessions.stale(), box.sessions.hook_failures()
    if stale:
        yield warn("sessions", stale, "See whether its hooks are in: `membox session hooks install`, as that user.")
    if failures:
        yield warn(
            "sessions",
            f"Within the last week {failures} calls of agents' hooks got no answer; what was said then may be missing.",
            "See whether the box was away or slow then: `membox daemon logs`.",
        )
    if not (stale or failures):
        yield ok("sessions", "The working buffer is as new as the last session, and all hooks got through.")
