"""Is there enough memory?"""

import re
from collections.abc import Iterator

from appliance.daemon.findings import Finding, ok, warn
from appliance.machine import Machine

_LITTLE = 0.05  # of all memory
_STALLED_PERCENT = 10.0  # of five minutes, in which nothing went on for want of memory
_REMEDY = "See what takes it with `systemd-cgtop -m`; stop what is not needed, or take a machine with more memory."
_ZRAM = "/etc/systemd/zram-generator.conf*"


def check_machine(machine: Machine, _deep: bool) -> Iterator[Finding]:
    """What is available, how long programs waited for memory, who was ended for want of it, and compressed swap."""
    available, total = _kilobytes(machine, "MemAvailable"), _kilobytes(machine, "MemTotal")
    if not machine.is_box or machine.is_container or not total:
        return  # in a container these numbers are its host's
    faults = [*_short(machine, available, total), *_ended(machine), *_without_zram(machine)]
    yield from faults
    if not faults:
        yield ok("memory", f"{available / 1e6:.1f} GB of {total / 1e6:.1f} GB of memory are available.")


def _short(machine: Machine, available: int, total: int) -> Iterator[Finding]:
    full = re.search(r"^full .*avg300=([\d.]+)", machine.read("/proc/pressure/memory") or "", re.MULTILINE)
    stalled = float(full[1]) if full else 0.0
    if available < _LITTLE * total:
        yield warn("memory", f"Only {available / 1e3:.0f} MB of memory are available.", _REMEDY)
    elif stalled > _STALLED_PERCENT:
        yield warn("memory", f"Programs stood still {stalled:.0f} % of the last five minutes for memory.", _REMEDY)


def _ended(machine: Machine) -> Iterator[Finding]:
    killed = re.search(r"^oom_kill (\d+)$", machine.read("/proc/vmstat") or "", re.MULTILINE)
    if killed and int(killed[1]):
        programs = "a program" if killed[1] == "1" else f"{killed[1]} programs"
        yield warn(
            "memory",
            f"The kernel has ended {programs} for want of memory since the machine started.",
            "`sudo journalctl -k -g 'Killed process'` names what it ended; stop what is not needed, or take a machine "
            "with more memory.",
        )


def _without_zram(machine: Machine) -> Iterator[Finding]:
    if any(machine.matching(_ZRAM)) and "/dev/zram" not in (machine.read("/proc/swaps") or "/dev/zram"):
        remedy = "`sudo systemctl restart systemd-zram-setup@zram0.service`, and see `journalctl -u` of it."
        yield warn("memory", "Compressed swap (zram) is set up, but not in use.", remedy)


def _kilobytes(machine: Machine, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", machine.read("/proc/meminfo") or "", re.MULTILINE)
    return int(found[1]) if found else 0
