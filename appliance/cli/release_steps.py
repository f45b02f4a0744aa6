"""`python -m appliance.cli.release_steps STEP`: one step of a switch of releases, in the home and as its owner.

Started by `appliance.release.Inside`: the step's options come as JSON on standard input, the answer goes to standard
output, as does an error: {"error": word, "sentence": …}.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from appliance import hold, lease
from appliance.client.box_client import BoxClient
from appliance.client.transport import UnixTransport
from appliance.errors import MemboxError, NotFoundError, UnavailableError
from appliance.home import owner_key_path, socket_path
from appliance.release import database

type Answer = dict[str, Any]

_PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.1
_CRITICAL = "database"  # the check whose errors are the new release's; others may have been there before


def look(home: Path) -> Answer:
    """What the switch means for the database; what lies beside it from another day must not be taken for its own."""
    from appliance.config import load_config

    database.tidy(_database(home))
    if load_config(home).store.backend == "postgres":
        # The daemon, which alone has the server's password, migrates when it starts; there is no way back from that.
        return {"schema": "on a server", "must_migrate": False}
    found = database.outlook(_database(home))
    return {"schema": found.schema, "must_migrate": found.must_migrate}


def hold_writes(home: Path, why: str, seconds: float) -> Answer:
    """Hold writes: `until` when; null where a daemon runs that does not know how to, or does not answer."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            with lease.Lease.acquire(home, lease.COMMAND, _PATIENCE_SECONDS):
                return {"until": hold.hold(home, why, seconds).until}
        except UnavailableError:  # a daemon has it
            pass
        try:
            with _daemon(home) as box:
                asked = {"why": why, "seconds": seconds}
                return {"until": box.post("/v1/hold", asked, _PATIENCE_SECONDS)["until"]}
        except NotFoundError:
            break
        except (UnavailableError, OSError):  # it starts, or ends
            time.sleep(_PAUSE_SECONDS)
    return {"until": None}


def prepare(home: Path) -> Answer:
    """Make the migrated copy of the database."""
    database.prepare(_database(home))
    return {"schema": database.outlook(_database(home)).newest}


def swap(home: Path, until: float) -> Answer:
    """Put the copy in the place of the database."""
    database.swap(home, _database(home), until)
    return {}


def health(home: Path, version: str, seconds: float, is_known: bool) -> Answer:
    """Whether the daemon is well within `seconds`; `is_final` when waiting longer would not help.

    Of a release that `is_known` from before, findings do not count: it may have had them before.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            with _daemon(home) as box:
                return _judged(box, version, is_known)
        except (MemboxError, OSError) as fault:
            why = fault.sentence.rstrip(".") if isinstance(fault, MemboxError) else str(fault)
        if time.monotonic() >= deadline:
            return {"is_well": False, "is_final": False, "why": why}
        time.sleep(_PAUSE_SECONDS)


def _judged(box: BoxClient, version: str, is_known: bool) -> Answer:
    said = box.get("/healthz")
    if said.get("status") != "ok":
        raise UnavailableError("not_ok", f"Its health is {said.get('status')}.")
    if said["version"] != version:
        return {"is_well": False, "is_final": True, "why": f"what answers is version {said['version']}"}
    findings = [] if is_known else box.get("/v1/status")["findings"]
    faults = [each for each in findings if each["check"] == _CRITICAL and each["severity"] == "error"]
    if faults:
        return {"is_well": False, "is_final": True, "why": faults[0]["sentence"].rstrip(".")}
    return {"is_well": True, "is_final": True, "why": ""}


def go_back(home: Path, was_made: bool) -> Answer:
    """Bring back the database of before."""
    return {"is_back": database.go_back(home, _database(home), was_made)}


def open_writes(home: Path) -> Answer:
    """Let writes in."""
    return {"was_held": hold.release(home)}


def tidy(home: Path) -> Answer:
    """Remove what lies beside the database."""
    database.tidy(_database(home))
    return {}


STEPS: dict[str, Callable[..., Answer]] = {
    "look": look,
    "hold": hold_writes,
    "prepare": prepare,
    "swap": swap,
    "health": health,
    "go_back": go_back,
    "open": open_writes,
    "tidy": tidy,
}


def _database(home: Path) -> Path:
    from appliance.config import load_config  # half of such a process's time, and half of the steps ask for none

    return load_config(home).database_path.resolve()


def _daemon(home: Path) -> BoxClient:
    return BoxClient(UnixTransport(socket_path(home), lambda: owner_key_path(home).read_text().strip()))


def main() -> None:
    """Run the step that is named."""
    given = json.load(sys.stdin)
    try:
        answer = STEPS[sys.argv[1]](Path(given.pop("home")), **given)
    except MemboxError as error:
        answer = {"error": error.word, "sentence": error.sentence}
    except OSError as fault:
        answer = {"error": "system", "sentence": f"{fault.filename or 'The system'}: {fault.strerror}."}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
