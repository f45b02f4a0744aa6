"""Does somebody else's program write into the notebook?"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.daemon.findings import Finding, ok, warn

if TYPE_CHECKING:
    from appliance.box import Box

# Directory names (case folded) that the services give their folders.
_SERVICES = {
    "dropbox": "Dropbox",
    "onedrive": "OneDrive",
    "google drive": "Google Drive",
    "googledrive": "Google Drive",
    "my drive": "Google Drive",
    "mobile documents": "iCloud Drive",
    "icloud drive": "iCloud Drive",
    "icloudkdrive": "iCloud Drive",
    "nextcloud": "Nextcloud",
    "pclouddrive": "pCloud",
    "syncthing": "Syncthing",
}


def service_of(path: Path) -> str | None:
    """The cloud service in whose folder `path` lies; None when in none that is known by its name."""
    for part in path.resolve().parts:
        name = part.casefold()
        for prefix, service in _SERVICES.items():
            if name == prefix or name.startswith((f"{prefix} -", f"{prefix}-", f"{prefix} (")):
                return service
    return None


def check(box: "Box", _deep: bool) -> Iterator[Finding]:
    """Such a service makes conflict copies, and copies a database while it changes (contract notebook, Files)."""
    if service := service_of(box.home):
        yield warn(
            "cloud_sync",
            f"The home {box.home} lies in a folder that {service} keeps in step; that damages databases and makes "
            "conflict copies of notes.",
            "Stop the daemon, move the home elsewhere and name it with MEMBOX_HOME; a mirror may go to such a folder.",
        )
    else:
        yield ok("cloud_sync", "The home lies in no cloud service's folder.")
