"""Telling systemd how it goes: sd_notify(3) over a datagram socket. Without systemd nothing is said."""

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping

_log = logging.getLogger(__name__)


def under_systemd(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a service manager wants to hear from us."""
    return bool(environ.get("NOTIFY_SOCKET"))


def notify(state: str, environ: Mapping[str, str] = os.environ) -> None:
    """Send `state` ("READY=1") to the service manager; never raises, as the service matters more than the news."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]  # Linux's abstract namespace
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.connect(address)
            sock.sendall(state.encode())
    except OSError as fault:
        _log.warning("the service manager could not be told %r: %s", state, fault)


def watchdog_seconds(environ: Mapping[str, str] = os.environ) -> float | None:
    """How often the service manager wants a sign of life; None when it does not, or wants it of another process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1_000_000 if microseconds.isdigit() and int(microseconds) else None


class Watchdog:
    """Gives a sign of life at half the time asked for, but only while `is_well` says so.

    When `is_well` is false, raises or hangs, no sign is given and the service manager starts the daemon anew.
    """

    def __init__(self, is_well: Callable[[], bool], environ: Mapping[str, str] = os.environ) -> None:
        self._is_well = is_well
        self._environ = environ
        self._seconds = watchdog_seconds(environ)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin; does nothing where no sign is wanted."""
        if self._seconds is not None and under_systemd(self._environ):
            self._thread.start()

    def stop(self) -> None:
        """End; waits for nothing, as a hanging check must not hold up the end."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.wait((self._seconds or 0) / 2):
            try:
                well = self._is_well()
            except Exception:  # noqa: BLE001 - whatever it is, no sign of life is the answer
                _log.exception("the daemon cannot do its work")
                well = False
            if well:
                notify("WATCHDOG=1", self._environ)
            else:
                _log.error("no sign of life is given: the daemon is not well")
