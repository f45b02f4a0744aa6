"""Is there room, for how long, and does the disk take writes?"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from appliance.daemon import disk_trend
from appliance.daemon.findings import Finding, error, ok, warn
from appliance.machine import Machine

_LITTLE, _NEARLY_NONE = 1_000_000_000, 100_000_000  # bytes
_SOON = 14  # days
_ROOM = "Free some space on the home's disk, or move the home to a larger one."
_READ_ONLY = "`sudo dmesg | tail` says why; a disk that fails is to be replaced: `membox backup list` shows the copies."


def check_machine(machine: Machine, _deep: bool) -> Iterator[Finding]:
    """The disk the home is on and, on a box, the system's where that is another."""
    if machine.home.is_dir():
        yield from _judged(machine.home, "", _ROOM)
        yield from _trend(machine.home)
    system = machine.path("/")
    if machine.is_box and machine.home.is_dir() and system.stat().st_dev != machine.home.stat().st_dev:
        remedy = "`sudo apt-get clean`, and see what takes it: `sudo du -xh / | sort -h | tail`."
        yield from _judged(system, " on the system's disk", remedy)


def _trend(home: Path) -> Iterator[Finding]:
    left = disk_trend.days_left(home)
    if left is not None and left < _SOON:
        yield warn("disk", f"If it goes on as in the last days, the home's disk is full in {left:.0f} days.", _ROOM)


def _judged(path: Path, where: str, remedy: str) -> Iterator[Finding]:
    usage = shutil.disk_usage(path)
    sentence = f"{usage.free / 1e9:.1f} GB of {usage.total / 1e9:.1f} GB are free{where}."
    if not where and os.statvfs(path).f_flag & os.ST_RDONLY:
        yield error("disk", "The home's disk takes no writes: it is mounted read-only.", _READ_ONLY)
    elif usage.free < _NEARLY_NONE:
        yield error("disk", sentence, remedy)
    elif usage.free < _LITTLE:
        yield warn("disk", sentence, remedy)
    else:
        yield ok("disk", sentence)
