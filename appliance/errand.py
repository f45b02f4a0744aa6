"""Errands: asking for what needs the agent's files or login (contract notebook, Refresh).

On a box the daemon has no way into the agent's home, and is not to have one. A small unit of the user `agent`
(roles/membox_claude), which systemd starts for each connection to its socket, does a fixed list of errands
(`daemon/errand.py`); only the daemon's user may connect. An errand is one JSON object on a connection, its answer
another, and either end's is data to the other. Standard library only.
"""

import json
import socket
from pathlib import Path
from typing import Any

from appliance.errors import UnavailableError

SOCKET = Path("/run/membox-errand.sock")
MAX_BYTES = 16 * 1024 * 1024
_SECONDS = 60.0
_OWN = ".cache/membox/own-sessions"


def is_there(path: Path = SOCKET) -> bool:
    """Whether this machine has the unit; without it whoever needs something done does it as its own user."""
    return path.is_socket()


def ask(name: str, fields: dict[str, Any], seconds: float = _SECONDS, path: Path = SOCKET) -> dict[str, Any]:
    """Have the errand `name` done with `fields`; what came of it.

    Raises:
        UnavailableError: `errand_failed`; it could not be done, or not within `seconds`. The sentence says why.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(seconds)
            connection.connect(str(path))
            connection.sendall(json.dumps({"errand": name, **fields}).encode())
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("rb") as received:
                answer = json.loads(received.read(MAX_BYTES) or b"null")
    except (OSError, ValueError) as fault:
        raise _failed(name, str(fault)) from fault
    if not isinstance(answer, dict) or "failed" in answer:
        raise _failed(name, str(answer["failed"]) if isinstance(answer, dict) else "no answer")
    return answer


def _failed(name: str, why: str) -> UnavailableError:
    return UnavailableError(
        "errand_failed",
        f"The errand {name} was not done ({why[:300]}); see `journalctl --unit 'membox-errand@*'` on the box.",
    )


def own_sessions() -> Path:
    """Where the box's own `claude -p` runs: by this its transcripts are known, and never harvested."""
    directory = Path.home() / _OWN
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def is_own_session(directory: str) -> bool:
    """Whether a session in `directory` was the box's own."""
    return directory.rstrip("/").endswith(_OWN)
