"""Is there room?"""

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

from appliance.daemon.findings import Finding, error, ok, warn

if TYPE_CHECKING:
    from appliance.box import Box

_LITTLE, _NEARLY_NONE = 1_000_000_000, 100_000_000  # bytes
_REMEDY = "Free some space on the home's disk, or move the home to a larger one."


def check(box: "Box", _deep: bool) -> Iterator[Finding]:
    """The free space where the home is."""
    usage = shutil.disk_usage(box.home)
    sentence = f"{usage.free / 1e9:.1f} GB of {usage.total / 1e9:.1f} GB are free."
    if usage.free < _NEARLY_NONE:
        yield error("disk", sentence, _REMEDY)
    elif usage.free < _LITTLE:
        yield warn("disk", sentence, _REMEDY)
    else:
        yield ok("disk", sentence)
