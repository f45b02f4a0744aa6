"""`membox` by root on a home of another user, run as that user."""

import sys
from pathlib import Path

from appliance.as_owner import becomes, run_as


def membox_as_owner(home: Path, *words: str) -> str:
    """What `membox WORDS` prints on `home`, run by the user to whom it belongs; in our environment if that is us.

    Raises:
        UnavailableError: `step_failed`, with what it said.
    """
    found = home.stat()
    command = [sys.executable, "-I", "-m", "appliance.cli.main", "--home", str(home), *words]
    return run_as(found.st_uid, found.st_gid, command, {"HOME": str(home)} if becomes(found.st_uid) else None)
