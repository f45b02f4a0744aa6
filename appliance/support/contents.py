"""What goes into a support bundle: only what is named here, never a file of the box as it is."""

import platform
import re
import shutil
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from appliance import __version__
from appliance.config import load_config
from appliance.errors import MemboxError
from appliance.home import log_path
from appliance.machine import RELEASE, UNITS, UNITS_AT_TIMES, UNITS_OF_OTHERS, Machine
from appliance.settings import Settings
from appliance.support.log_lines import shown_entries, shown_lines

_LINES = 500  # of the journal of each unit
_UNITS = (*UNITS, *UNITS_AT_TIMES, *UNITS_OF_OTHERS)
_PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,Result,UnitFileState,NRestarts,ExecMainStatus,ActiveEnterTimestamp,"
    "MemoryCurrent,MemoryPeak,NextElapseUSecRealtime,LastTriggerUSec"
)
# Settings whose text may be read by others; of any other only whether it is set. Numbers and switches are shown.
_SHOWN_SETTINGS = frozenset({"core.timezone", "auth.mode", "store.backend", "daemon.web_ui_host"})
# Checks whose sentences are made of our words, numbers and the names of our own files and units.
_SHOWN_CHECKS = frozenset(
    """certificates clock daemon database disk held managed_files memory releases tailnet temperature units
    updates""".split()
)
_JOB = ("name", "schedule", "enabled", "outcome", "last_run", "ended_at", "last_success", "next_run")
_LEFT_OUT = "(left out: it may name something of yours; see `membox doctor`)"


def contents(
    machine: Machine,
    findings: Sequence[Mapping[str, Any]],
    jobs: Sequence[Mapping[str, Any]],
    schema: Mapping[str, Any],
) -> dict[str, Any]:
    """The files of a bundle by their names: a list of lines is text, anything else JSON.

    Args:
        findings: what `membox doctor` says.
        jobs: those of the schedule; none when the daemon does not answer.
        schema: the database's, as `membox db status` has it; empty when that could not be asked.
    """
    return {
        "doctor.json": [_finding(finding) for finding in findings],
        "versions.json": _versions(machine),
        "settings.json": _settings(machine),
        "schedule.json": [{name: job.get(name) for name in _JOB} for job in jobs],
        "migrations.json": {name: schema[name] for name in ("version", "newest", "is_current") if name in schema},
        "machine.json": _machine(machine),
        "releases.json": _releases(machine),
        "units.txt": _units(machine),
        "log.txt": _log(machine),
    }


def _finding(finding: Mapping[str, Any]) -> dict[str, Any]:
    shown = finding["check"] in _SHOWN_CHECKS
    said = {"sentence": finding["sentence"], "remedy": finding["remedy"]} if shown else {"sentence": _LEFT_OUT}
    return {"check": finding["check"], "severity": finding["severity"], **said}


def _versions(machine: Machine) -> dict[str, str]:
    named = re.search(r'^PRETTY_NAME="?([^"\n]*)', machine.read("/etc/os-release") or "", re.MULTILINE)
    tools = {tool: _version_of(machine, tool) for tool in ("systemctl", "tailscale", "restic", "tmux")}
    return {
        "membox": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": named[1] if named else sys.platform,
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "model": machine.read("/proc/device-tree/model") or "",
        "kind": "box" if machine.is_box else "other",
        "container": machine.read("/run/systemd/container") or "",
        **tools,
    }


def _version_of(machine: Machine, tool: str) -> str:
    said = machine.ask(tool, {"restic": "version", "tmux": "-V"}.get(tool, "--version"))
    found = re.search(r"\d+[\w.~+-]*", said.out) if said and not said.code else None
    return found[0] if found else ""


def _settings(machine: Machine) -> dict[str, Any]:
    try:
        settings = load_config(machine.home).settings()
    except MemboxError:
        return {"unreadable": "see the finding `config` of `membox doctor`"}
    return {
        f"{table}.{key}": _setting(f"{table}.{key}", settings[table][key])
        for table in Settings.model_fields
        for key in settings[table]
    }


def _setting(key: str, value: Any) -> Any:
    if isinstance(value, bool | int) or key in _SHOWN_SETTINGS or key.endswith("_schedule"):
        return value
    return "(set)" if value else "(not set)"


def _machine(machine: Machine) -> dict[str, Any]:
    memory = re.findall(r"^(Mem(?:Total|Available)|Swap\w+):\s+(\d+) kB$", machine.read("/proc/meminfo") or "", re.M)
    return {
        "disks": {"home": _disk(machine.home), "system": _disk(machine.path("/"))},
        "memory_kB": {name: int(count) for name, count in memory},
        "memory_pressure": (machine.read("/proc/pressure/memory") or "").splitlines(),
        "load": machine.read("/proc/loadavg") or "",
        "uptime_seconds": (machine.read("/proc/uptime") or "").partition(" ")[0],
        "swaps": len((machine.read("/proc/swaps") or "").splitlines()[1:]),
    }


def _disk(path: Path) -> dict[str, int]:
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return {}
    return {"total": usage.total, "free": usage.free}


def _releases(machine: Machine) -> dict[str, Any]:
    if not machine.is_box:
        return {}
    kept = sorted(machine.path(RELEASE).parent.glob("releases/*"))
    return {
        "current": machine.path(RELEASE).readlink().name,
        "releases": {path.name: (path / ".complete").exists() for path in kept if re.fullmatch(r"[\w.+-]+", path.name)},
    }


def _units(machine: Machine) -> list[str]:
    if not machine.is_box:
        return []
    said = machine.ask("systemctl", "show", f"--property={_PROPERTIES}", "--", *_UNITS)
    return said.out.splitlines() if said and not said.code else ["systemctl did not answer"]


def _log(machine: Machine) -> list[str]:
    """The journal of our units on a box; elsewhere what a detached daemon said."""
    if not machine.is_box:
        try:
            said = log_path(machine.home).read_text("utf-8", errors="replace").splitlines()
        except OSError:
            return []
        return shown_lines(said[-_LINES:])
    lines = []
    for unit in _UNITS:
        asked = machine.ask("journalctl", "-u", unit, "-n", str(_LINES), "-o", "json", "--no-pager", seconds=60)
        lines += shown_entries(asked.out.splitlines()) if asked and not asked.code else []
    return lines
