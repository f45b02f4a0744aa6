"""Do the box's services run, and will they after a reboot?"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from appliance.daemon.findings import Finding, error, ok, warn
from appliance.machine import DAEMON, UNITS, UNITS_AT_TIMES, UNITS_OF_OTHERS, Machine

_PROPERTIES = "Id,LoadState,ActiveState,SubState,Result,UnitFileState,NRestarts,ActiveEnterTimestampMonotonic"
_MANY, _RECENT_SECONDS = 3, 600


@dataclass(frozen=True, slots=True)
class _Unit:
    name: str
    load: str
    active: str
    sub: str
    result: str
    file_state: str
    restarts: int
    since: float  # seconds of the monotonic clock


def check_machine(machine: Machine, _deep: bool) -> Iterator[Finding]:
    """Each unit: failed, not running, ending again and again, or not enabled."""
    if not machine.is_box:
        return
    units = _units(machine)
    if not units:
        return  # no systemd, or none that answers us
    findings = [finding for unit in units for finding in _faults(unit)]
    yield from findings
    if not findings:
        running = (unit.name for unit in units if unit.active == "active" and unit.name not in UNITS_AT_TIMES)
        yield ok("units", f"What should run runs, and will after a reboot: {', '.join(running)}.")


def _units(machine: Machine) -> list[_Unit]:
    said = machine.ask(
        "systemctl", "show", f"--property={_PROPERTIES}", "--", *UNITS, *UNITS_OF_OTHERS, *UNITS_AT_TIMES
    )
    if said is None or said.code:
        return []
    return [_unit(block) for block in said.out.split("\n\n") if block.strip()]


def _unit(text: str) -> _Unit:
    block = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return _Unit(
        block["Id"],
        block.get("LoadState", ""),
        block.get("ActiveState", ""),
        block.get("SubState", ""),
        block.get("Result", ""),
        block.get("UnitFileState", ""),
        _number(block.get("NRestarts")),
        _number(block.get("ActiveEnterTimestampMonotonic")) / 1e6,
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0


def _faults(unit: _Unit) -> Iterator[Finding]:
    why = f"`sudo journalctl -u {unit.name} -n 50` says why"
    if unit.load == "masked":
        yield error("units", f"{unit.name} is masked, so it cannot start.", f"`sudo systemctl unmask {unit.name}`.")
    elif unit.load != "loaded":
        if unit.name == DAEMON:
            remedy = "Run the playbook again: `sudo membox provision --local`."
            yield error("units", f"{unit.name} is not installed.", remedy)
    elif unit.active == "failed":
        remedy = f"{why}; after that `sudo systemctl restart {unit.name}`."
        yield error("units", f"{unit.name} has failed ({unit.result}).", remedy)
    elif unit.name in UNITS or (unit.name in UNITS_OF_OTHERS and unit.file_state == "enabled"):
        yield from _not_as_it_should_run(unit, why)


def _not_as_it_should_run(unit: _Unit, why: str) -> Iterator[Finding]:
    disabled = unit.file_state == "disabled"
    if unit.sub.startswith("auto-restart"):
        yield error("units", f"{unit.name} ends again and again ({unit.restarts} times so far).", f"{why}.")
    elif unit.active == "inactive":
        remedy = f"`sudo systemctl {'enable --now' if disabled else 'start'} {unit.name}`."
        yield error("units", f"{unit.name} does not run.", remedy)
    elif disabled:
        sentence = f"{unit.name} is not enabled: after a reboot it would not run."
        yield error("units", sentence, f"`sudo systemctl enable {unit.name}`.")
    elif unit.restarts >= _MANY and time.monotonic() - unit.since < _RECENT_SECONDS:
        yield warn("units", f"{unit.name} was started again {unit.restarts} times, the last just now.", f"{why}.")
