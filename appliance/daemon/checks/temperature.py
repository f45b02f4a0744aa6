"""Is a Raspberry Pi too hot, or short of power?"""

import re
from collections.abc import Iterator

from appliance.daemon.findings import Finding, error, ok, warn
from appliance.machine import Machine

_HOT = 80.0  # degrees Celsius; from here on a Pi slows down by itself
_UNDER_VOLTAGE_NOW, _UNDER_VOLTAGE_ONCE = 1 << 0, 1 << 16  # of `vcgencmd get_throttled`
_POWER = "Use the power supply made for this Pi and a short, thick cable: too little voltage damages SD cards."


def check_machine(machine: Machine, _deep: bool) -> Iterator[Finding]:
    """The hottest sensor, and the Pi's own word on its supply."""
    if not (machine.read("/proc/device-tree/model") or "").startswith("Raspberry Pi"):
        return
    hottest = max(_degrees(machine), default=None)
    faults = [*_supply(machine), *_heat(hottest)]
    yield from faults
    if not faults:
        warmth = f"{hottest:.0f} °C and enough" if hottest is not None else "Enough"
        yield ok("temperature", f"{warmth} voltage.")


def _degrees(machine: Machine) -> Iterator[float]:
    for name in machine.matching("/sys/class/thermal/thermal_zone*/temp"):
        if (text := machine.read(name) or "").lstrip("-").isdigit():
            yield int(text) / 1000


def _heat(degrees: float | None) -> Iterator[Finding]:
    if degrees is not None and degrees >= _HOT:
        remedy = "Give it air, a heat sink or a fan; until then it is slow."
        yield warn("temperature", f"The Pi has {degrees:.0f} °C and slows down.", remedy)


def _supply(machine: Machine) -> Iterator[Finding]:
    throttled = _throttled(machine)
    if _alarm(machine) or throttled & _UNDER_VOLTAGE_NOW:
        yield error("temperature", "The Pi gets too little voltage.", _POWER)
    elif throttled & _UNDER_VOLTAGE_ONCE:
        yield warn("temperature", "The Pi got too little voltage at some time since it started.", _POWER)


def _alarm(machine: Machine) -> bool:
    """The kernel's sensor of the supply, which every user may read."""
    for name in machine.matching("/sys/class/hwmon/hwmon*/name"):
        if machine.read(name) == "rpi_volt":
            return machine.read(name.removesuffix("name") + "in0_lcrit_alarm") == "1"
    return False


def _throttled(machine: Machine) -> int:
    """The firmware's bits; 0 where its tool is missing or may not be used."""
    said = machine.ask("vcgencmd", "get_throttled")
    found = re.match(r"throttled=0x([0-9a-f]+)$", said.out.strip()) if said and not said.code else None
    return int(found[1], 16) if found else 0
