"""The daemon as a service of the user who calls: systemd's user manager, or launchd (contract notebook, Service).

On a box the role `membox` does this with a user of its own; here it is for a person's own machine. No secret is ever in
a unit, and removing the service leaves the home as it is.
"""

import getpass
import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

from appliance.durable import write_atomically
from appliance.errors import MemboxError, NotConfiguredError, UnavailableError

UNIT = "membox.service"
AGENT = "net.membox.daemon"
LINGERING = Path("/var/lib/systemd/linger")
_SECONDS = 120.0

_UNIT = """\
# Written by `membox daemon install`, and replaced by the next; what you want otherwise goes into a drop-in.
[Unit]
Description=membox, a memory box

[Service]
Type=notify
ExecStart={command}
UMask=0077
TimeoutStartSec=10min
TimeoutStopSec=75
WatchdogSec=60
Restart=on-failure
RestartSec=1
RestartSteps=8
RestartMaxDelaySec=2min
NoNewPrivileges=yes
LimitCORE=0

[Install]
WantedBy=default.target
"""


def install(home: Path) -> str:
    """Have the daemon of `home` run from now on, at every start of the machine; a sentence on where it is.

    Run again it brings the unit up to date.

    Raises:
        NotConfiguredError: `as_root`, or this machine has no service manager that we know.
        UnavailableError: the service manager refused.
    """
    _refuse_root()
    if sys.platform == "darwin":
        return _install_agent(home)
    _require_systemd()
    unit = _unit_path()
    unit.parent.mkdir(parents=True, exist_ok=True)
    command = " ".join(_quoted(word) for word in _command(home))
    write_atomically(unit, _UNIT.format(command=command).encode(), 0o644)
    _systemctl("daemon-reload")
    _systemctl("enable", UNIT)
    _systemctl("restart", UNIT)
    return f"{unit} is set up and runs; `journalctl --user -u {UNIT}` has its log. {_linger()}"


def uninstall() -> str:
    """End the service and remove it; a sentence on it. The home and everything in it stay.

    Raises as `install` does.
    """
    _refuse_root()
    place = _agent_path() if sys.platform == "darwin" else _unit_path()
    if not place.exists():
        return f"There is no service: {place} does not exist."
    if sys.platform == "darwin":
        _run("launchctl", "bootout", f"gui/{os.getuid()}/{AGENT}", may_fail=True)
        place.unlink()
    else:
        _require_systemd()
        _systemctl("disable", "--now", UNIT)
        place.unlink()
        _systemctl("daemon-reload")
    return f"The service is gone, {place} with it. What the box knows stays where it is."


def _install_agent(home: Path) -> str:
    log = Path.home() / "Library" / "Logs" / "membox.log"
    agent = {
        "Label": AGENT,
        "ProgramArguments": _command(home),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "Umask": 0o077,
        "StandardOutPath": str(log),
        "StandardErrorPath": str(log),
    }
    place = _agent_path()
    place.parent.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(place, plistlib.dumps(agent), 0o644)
    domain = f"gui/{os.getuid()}"
    _run("launchctl", "bootout", f"{domain}/{AGENT}", may_fail=True)  # an earlier one
    _run("launchctl", "bootstrap", domain, str(place))
    return f"{place} is set up and runs from every login on; {log} is its log."


def _command(home: Path) -> list[str]:
    """What starts the daemon, by absolute paths: a service manager has another PATH."""
    return [sys.executable, "-m", "appliance.cli.main", "--home", str(home.absolute()), "daemon", "start"]


def _quoted(word: str) -> str:
    """A word as systemd reads it in a unit (systemd.service(5), Command lines)."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def _unit_path() -> Path:
    config = os.environ.get("XDG_CONFIG_HOME", "").strip()
    return (Path(config) if config else Path.home() / ".config") / "systemd" / "user" / UNIT


def _agent_path() -> Path:
    return Path.home() / "Library" / "LaunchAgents" / f"{AGENT}.plist"


def _refuse_root() -> None:
    if os.geteuid() == 0:
        raise NotConfiguredError(
            "as_root",
            "A service of root's own is not what you want: install it as the user whose box it is, without sudo. A "
            "whole machine becomes a box by `membox provision`.",
        )


def _require_systemd() -> None:
    if shutil.which("systemctl") is None:
        raise NotConfiguredError(
            "no_service_manager",
            "This machine has no systemd: have its own service manager run `membox daemon start`, or start it by hand "
            "with `membox daemon start --detach`. On Windows use WSL, or the Task Scheduler with `wsl membox daemon "
            "start`.",
        )


def _linger() -> str:
    """Have the user's services run without a login, from the machine's start on; a sentence on whether they do."""
    name = getpass.getuser()
    try:
        if not (LINGERING / name).exists():
            _run("loginctl", "enable-linger", name)
    except MemboxError:
        return f"It starts when you log in: `sudo loginctl enable-linger {name}` has it start with the machine."
    return "It starts with the machine."


def _systemctl(*words: str) -> None:
    _run("systemctl", "--user", *words)


def _run(*command: str, may_fail: bool = False) -> None:
    try:
        done = subprocess.run(command, env=_with_bus(), capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise UnavailableError("service_manager", f"`{' '.join(command)}` did not end: {fault}.") from fault
    if done.returncode and not may_fail:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise UnavailableError("service_manager", f"`{' '.join(command)}` refused: {said[:400]}")


def _with_bus() -> dict[str, str]:
    """The environment, with where the user's manager listens: `su` and `sudo -u` leave that out."""
    return {"XDG_RUNTIME_DIR": f"/run/user/{os.getuid()}", **os.environ}
