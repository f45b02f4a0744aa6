"""The service of a box, through systemctl."""

import subprocess

from appliance.errors import UnavailableError

_SECONDS = 180.0  # beyond the service's own limit for stopping


class Unit:
    """A unit of systemd, such as ``membox.service``."""

    def __init__(self, name: str) -> None:
        self.name = name

    def start(self) -> None:
        """Begin to start it, without waiting: at boot its turn comes only after us."""
        self._do("reset-failed", self.name, check=False)  # else faults of before count towards its limit
        self._do("start", "--no-block", self.name)

    def stop(self) -> None:
        """Stop it and wait until it has; does nothing where it does not run, not even to a start that waits for us."""
        if self.state() not in ("inactive", "failed"):
            self._do("stop", self.name)

    def state(self) -> str:
        """Systemd's ActiveState: `active`, `activating`, `failed`, …"""
        return self._do("show", "--property=ActiveState", "--value", self.name).strip()

    def _do(self, *words: str, check: bool = True) -> str:
        try:
            done = subprocess.run(
                ["systemctl", *words], capture_output=True, text=True, timeout=_SECONDS, check=False,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as fault:
            raise UnavailableError("no_systemd", f"`systemctl {' '.join(words)}` does not work ({fault}).") from fault
        if check and done.returncode:
            said = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
            raise UnavailableError("unit_failed", f"`systemctl {' '.join(words)}` failed ({said}).")
        return done.stdout
