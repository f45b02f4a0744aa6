"""How the box is: every check of `daemon/checks`, and the status that the pages and commands show."""

import importlib
import logging
import pkgutil
import shutil
from collections.abc import Callable, Iterable
from functools import cache, lru_cache, partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from appliance import __version__
from appliance.clock import iso, to_ms
from appliance.daemon import checks
from appliance.daemon.findings import Check, Finding, MachineCheck, Severity, error
from appliance.daemon.schedule import overview
from appliance.machine import Machine, WatchedMachine

if TYPE_CHECKING:
    from appliance.box import Box

_RANK = {Severity.OK: 0, Severity.WARN: 1, Severity.ERROR: 2}
_log = logging.getLogger(__name__)


@cache
def all_checks() -> dict[str, Check]:
    """Every check of the box by its name: a module in `daemon/checks` with a function `check(box, deep)` is one."""
    return {name: module.check for name, module in _modules().items() if hasattr(module, "check")}


@cache
def machine_checks() -> dict[str, MachineCheck]:
    """Every check of the machine by its name: a module with a function `check_machine(machine, deep)` is one."""
    return {name: module.check_machine for name, module in _modules().items() if hasattr(module, "check_machine")}


@cache
def _modules() -> dict[str, ModuleType]:
    names = sorted(module.name for module in pkgutil.iter_modules(checks.__path__))
    return {name: importlib.import_module(f"{checks.__name__}.{name}") for name in names}


def findings(box: "Box", deep: bool = False, machine: Machine | None = None) -> list[Finding]:
    """What every check says, worst first; `deep` for a full integrity check and a look at the mirror's disk.

    What the machine's own tools say may be half a minute old, unless `deep` asks them anew.
    """
    machine = machine or (Machine(home=box.home) if deep else _watched(box.home))
    return worst_first([*_box_findings(box, deep), *machine_findings(machine, deep)])


def machine_findings(machine: Machine, deep: bool = False) -> list[Finding]:
    """What the checks of the machine say, which need no open box."""
    looks = machine_checks().items()
    return [finding for name, check in looks for finding in _asked(name, partial(check, machine, deep))]


@lru_cache(8)
def _watched(home: Path) -> Machine:
    return WatchedMachine(home=home)


def worst_first(found: Iterable[Finding]) -> list[Finding]:
    """`found` in the order in which a person should see it."""
    return sorted(found, key=lambda finding: -_RANK[finding.severity])


def _box_findings(box: "Box", deep: bool) -> list[Finding]:
    looks = all_checks().items()
    return [finding for name, check in looks for finding in _asked(name, partial(check, box, deep))]


def status(box: "Box", deep: bool = False, machine: bool = True) -> dict[str, Any]:
    """The box in one look: `state` is the worst severity, `findings` what needs a person, `checks` all that was seen.

    Without `machine` for root, who looks at the machine with more sight than the daemon has.
    Holds no counts of memory items: they would tell of other agents' private ones.
    """
    seen = findings(box, deep) if machine else worst_first(_box_findings(box, deep))
    disk = shutil.disk_usage(box.home)
    mirror = box.backup.mirror_path
    return {
        "service": "membox",
        "version": __version__,
        "home": str(box.home),
        "now": iso(to_ms(box.clock())),
        "timezone": box.config.core.timezone,
        "state": seen[0].severity.value if seen else Severity.OK.value,
        "store_backend": box.database.backend,
        "auth_mode": box.access.mode,
        "database_bytes": box.database.size(),
        "disk_free_bytes": disk.free,
        "disk_total_bytes": disk.total,
        "documents": len(box.notebook.documents()),
        "mirror_path": str(mirror) if mirror else None,
        "unused_environment": list(box.config.unused_environment),
        "jobs": overview(box),
        "findings": [finding.as_dict() for finding in seen if finding.severity is not Severity.OK],
        "checks": [finding.as_dict() for finding in seen],
    }


def _asked(name: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    try:
        return list(look())
    except Exception as fault:  # noqa: BLE001 - a check that fails must not hide what the others found
        _log.exception("the check %s failed", name)
        return [error(name, f"The check {name} could not be made: {fault}", "See the log: `membox daemon logs`.")]
