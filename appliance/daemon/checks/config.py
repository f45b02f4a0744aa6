"""Is config.toml right, and is it what runs?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from appliance.config import load_config
from appliance.daemon.findings import Finding, error, ok, warn
from appliance.errors import NotConfiguredError
from appliance.settings import LIVE_KEYS

if TYPE_CHECKING:
    from appliance.box import Box


def check(box: "Box", _deep: bool) -> Iterator[Finding]:
    """The file as it is now, against the settings in force."""
    try:
        now = load_config(box.home).settings()
    except NotConfiguredError as fault:
        yield error("config", fault.sentence, "Correct it; until then the next start of the daemon is refused.")
        return
    running = box.config.settings()
    changed = [f"{table}.{key}" for table, keys in now.items() for key in keys if keys[key] != running[table][key]]
    if waiting := [key for key in changed if key not in LIVE_KEYS]:
        yield warn(
            "config",
            f"Changed in config.toml since the daemon started: {', '.join(waiting)}.",
            "Start it again: `membox daemon stop`, then `membox daemon start --detach`, or your service manager.",
        )
    else:
        yield ok("config", "The settings are right and in force.")
