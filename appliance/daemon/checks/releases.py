"""Is the release that runs the one that is installed, and are the others whole?"""

from collections.abc import Iterator

from appliance import __version__
from appliance.daemon.findings import Finding, error, ok, warn
from appliance.machine import RELEASE, Machine

_ALL = "/opt/membox/releases"
_SWITCH = "/opt/membox/switch.json"  # there while one release takes another's place (appliance/release/record.py)


def check_machine(machine: Machine, _deep: bool) -> Iterator[Finding]:
    """`current` leads to a finished release; no switch and no installation was cut off."""
    if not machine.is_box:
        return
    current = machine.path(RELEASE).readlink().name
    kept = sorted(path.name for path in machine.path(_ALL).glob("*") if not path.name.startswith("."))
    whole = [name for name in kept if machine.path(f"{_ALL}/{name}/.complete").exists()]
    if machine.path(_SWITCH).exists():
        sentence = "An upgrade is under way, or was cut off."
        yield warn("releases", sentence, "If none is under way, settle it: `sudo membox release recover`.")
    elif current not in whole:
        sentence = f"{RELEASE} leads to {current}, which is not completely installed."
        yield error("releases", sentence, "Run the playbook again: `sudo membox provision --local`.")
    elif current.partition("+")[0] != __version__:
        sentence = f"membox {current} is installed, but {__version__} is what runs."
        yield warn("releases", sentence, "`sudo systemctl restart membox`.")
    elif half := [name for name in kept if name not in whole]:
        remedy = f"Remove what is left of it: `sudo rm -r {' '.join(f'{_ALL}/{name}' for name in half)}`."
        yield warn("releases", f"An upgrade broke off while it installed {', '.join(half)}.", remedy)
    else:
        others = [name for name in whole if name != current]
        beside = f"; to go back to: {', '.join(others)}" if others else ""
        yield ok("releases", f"Release {current}{beside}.")
