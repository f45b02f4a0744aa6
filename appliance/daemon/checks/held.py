"""Does the box take changes?"""

from collections.abc import Iterator

from appliance import hold
from appliance.clock import iso
from appliance.daemon.findings import Finding, warn
from appliance.machine import Machine

_REMEDY = "It ends by itself; if no upgrade is under way, `sudo membox release recover` settles one that was cut off."


def check_machine(machine: Machine, _deep: bool) -> Iterator[Finding]:
    """A hold (appliance/hold.py) lasts moments; one that somebody gets to see is worth a word."""
    if found := hold.held(machine.home):
        until = iso(round(found.until * 1000))
        yield warn("held", f"The box takes no changes until {until}: {found.why}.", _REMEDY)
