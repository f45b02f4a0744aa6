"""How the box is: every check of `daemon/checks`, and the status that the pages and commands show."""

import importlib
import logging
import pkgutil
import shutil
from functools import cache
from typing import TYPE_CHECKING, Any

from appliance import __version__
from appliance.clock import iso, to_ms
from appliance.daemon import checks
from appliance.daemon.findings import Check, Finding, Severity, error
from appliance.daemon.schedule import overview

if TYPE_CHECKING:
    from appliance.box import Box

_RANK = {Severity.OK: 0, Severity.WARN: 1, Severity.ERROR: 2}
_log = logging.getLogger(__name__)


@cache
def all_checks() -> dict[str, Check]:
    """Every check by its name. A module in `daemon/checks` with a function `check(box, deep)` is one."""
    names = sorted(module.name for module in pkgutil.iter_modules(checks.__path__))
    return {name: importlib.import_module(f"{checks.__name__}.{name}").check for name in names}


def findings(box: "Box", deep: bool = False) -> list[Finding]:
    """What every check says, worst first; `deep` for a full integrity check and a look at the mirror's disk."""
    found = [finding for name, check in all_checks().items() for finding in _asked(name, check, box, deep)]
    return sorted(found, key=lambda finding: -_RANK[finding.severity])


def status(box: "Box", deep: bool = False) -> dict[str, Any]:
    """The box in one look: `state` is the worst severity, `findings` what needs a person, `checks` all that was seen.

    Holds no counts of memory items: they would tell of other agents' private ones.
    """
    seen = findings(box, deep)
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


def _asked(name: str, check: Check, box: "Box", deep: bool) -> list[Finding]:
    try:
        return list(check(box, deep))
    except Exception as fault:  # noqa: BLE001 - a check that fails must not hide what the others found
        _log.exception("the check %s failed", name)
        return [error(name, f"The check {name} could not be made: {fault}", "See the log: `membox daemon logs`.")]
