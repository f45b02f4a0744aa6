"""Variables of ours, or of the existing system, that are set and do nothing."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from appliance.daemon.findings import Finding, ok, warn

if TYPE_CHECKING:
    from appliance.box import Box


def check(box: "Box", _deep: bool) -> Iterator[Finding]:
    """What the settings did not use (contract memory-api, Environment)."""
    unused = box.config.unused_environment
    if unused:
        yield warn("environment", f"Set in the environment, but without effect: {', '.join(unused)}.", "Unset them.")
    else:
        yield ok("environment", "Every variable that is set is used.")
