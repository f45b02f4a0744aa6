"""How fast the home's disk fills: its free space, noted once a day in ``run/disk.json``."""

import json
import shutil
from datetime import date, datetime
from itertools import islice
from pathlib import Path

from appliance.durable import write_atomically
from appliance.home import content, run_directory

_KEPT_DAYS, _LEAST_DAYS = 15, 7


def note(home: Path, now: datetime) -> None:
    """Note today's free space, unless that was done; what is older than a fortnight goes."""
    noted, today = _noted(home), now.date().isoformat()
    if today not in noted:
        noted[today] = shutil.disk_usage(home).free
        newest = dict(islice(sorted(noted.items(), reverse=True), _KEPT_DAYS))
        write_atomically(_file(home), json.dumps(newest))


def days_left(home: Path) -> float | None:
    """In how many days the disk is full if it goes on so; None when it does not fill, or less than a week is noted."""
    noted = sorted(_noted(home).items())
    if not noted:
        return None
    (first, before), (last, after) = noted[0], noted[-1]
    days = (date.fromisoformat(last) - date.fromisoformat(first)).days
    return after * days / (before - after) if days >= _LEAST_DAYS and before > after else None


def _file(home: Path) -> Path:
    return run_directory(home) / "disk.json"


def _noted(home: Path) -> dict[str, int]:
    """Bytes by day; none where nothing can be read, as it is a guess and no more."""
    try:
        found = json.loads(content(_file(home)))
        return {date.fromisoformat(day).isoformat(): int(free) for day, free in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
