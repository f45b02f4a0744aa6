"""Does an update wait for a reboot?"""

from collections.abc import Iterator

from appliance.daemon.findings import Finding, ok, warn
from appliance.machine import Machine

_FLAG = "/run/reboot-required"


def check_machine(machine: Machine, _deep: bool) -> Iterator[Finding]:
    """Debian's own flag, set when a kernel or a library that everything uses was replaced."""
    if not machine.is_box:
        return
    if machine.read(_FLAG) is None:
        yield ok("updates", "No update waits for a reboot.")
        return
    packages = sorted(set((machine.read(f"{_FLAG}.pkgs") or "").split()))
    which = f" ({', '.join(packages[:3])}{', …' if len(packages) > 3 else ''})" if packages else ""
    yield warn("updates", f"A security update{which} takes effect after a reboot.", "When it suits: `sudo reboot`.")
