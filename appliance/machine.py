"""The machine that membox runs on, as its files and its own tools tell of it.

Nothing here fails because a tool is missing, slow or refuses: whoever asks gets None and goes on with what there is.
"""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import override

from appliance.home import default_home

RELEASE = "/opt/membox/current"
DAEMON = "membox.service"
# The units of a box that are to run all the time. Roles may be switched off: only the daemon's is always there.
UNITS = (
    DAEMON,
    "membox-agent.service",
    "membox-errand.socket",
    "membox-firewall.service",
    "membox-portal.service",
    "membox-mcp.socket",
    "membox-snapshot.timer",
    "membox-drill.timer",
)
# Those that run at times, and those of Debian and Tailscale that the roles rely on.
UNITS_AT_TIMES = ("membox-recover.service", "membox-mcp.service", "membox-snapshot.service", "membox-drill.service")
UNITS_OF_OTHERS = ("tailscaled.service",)
_PATIENCE_SECONDS = 10.0
_LASTING_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Said:
    """What a program answered."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Machine:
    """Files below `root`, programs on PATH, and the home of the memory box that runs here."""

    home: Path = field(default_factory=default_home)
    root: Path = Path("/")

    @property
    def is_box(self) -> bool:
        """Whether provisioning made this machine a box; on any other most checks have nothing to say."""
        return self.path(RELEASE).is_symlink()

    @property
    def is_container(self) -> bool:
        """Whether clock, memory and kernel are those of another machine around this one (systemd says so)."""
        return self.path("/run/systemd/container").exists()

    def path(self, absolute: str) -> Path:
        """Where the machine's file `absolute` is."""
        return self.root / absolute.lstrip("/")

    def read(self, absolute: str) -> str | None:
        """The text of a file, without the end of its last line; None when it is not there or not for us to read."""
        try:
            # The kernel ends some values by a zero byte.
            return self.path(absolute).read_text("utf-8", errors="replace").rstrip("\n\0")
        except OSError:
            return None

    def matching(self, pattern: str) -> Iterator[str]:
        """The absolute names of files that match `pattern`, such as ``/sys/class/hwmon/*/name``."""
        for path in sorted(self.root.glob(pattern.lstrip("/"))):
            yield f"/{path.relative_to(self.root)}"

    def ask(self, *command: str, seconds: float = _PATIENCE_SECONDS) -> Said | None:
        """What a program says; None when it is not installed, may not be run, or takes longer than `seconds`."""
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False, env=_environment()
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return Said(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


@dataclass(frozen=True, slots=True)
class WatchedMachine(Machine):
    """The machine, looked at again and again: what a program said counts for `lasting` seconds, files are read anew.

    For the daemon, whose status every open page asks for: however many ask at once, one program is started.
    """

    lasting: float = _LASTING_SECONDS
    _said: dict[tuple[str, ...], tuple[float, Said | None]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _asking: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    @override
    def ask(self, *command: str, seconds: float = _PATIENCE_SECONDS) -> Said | None:
        """What a program says, or has said a moment ago; also that it gave no answer (see `Machine.ask`)."""
        with self._asking:
            until, said = self._said.get(command, (0.0, None))
            if time.monotonic() >= until:
                said = Machine.ask(self, *command, seconds=seconds)  # a class with slots has no bare super()
                self._said[command] = (time.monotonic() + self.lasting, said)
            return said


def _environment() -> dict[str, str]:
    # Else a tool of systemd's would tell the service manager its own faults in our name.
    kept = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
    return kept | {"LC_ALL": "C.UTF-8"}
