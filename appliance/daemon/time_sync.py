"""Is the clock right? A Raspberry Pi starts without one, and a job run at a wrong time is recorded at a wrong time."""

import logging
import threading
import time
from collections.abc import Callable

from appliance.daemon.readiness import under_systemd
from appliance.machine import Machine

LONGEST_SECONDS = 120.0
_POLL_SECONDS = 2.0
_log = logging.getLogger(__name__)


def wait(stopping: threading.Event) -> None:
    """Under systemd, wait until the time is synchronised, two minutes at most; elsewhere the clock counts as right."""
    if under_systemd():
        wait_until(is_synchronised, stopping, LONGEST_SECONDS)


def wait_until(is_right: Callable[[], bool], stopping: threading.Event, seconds: float) -> bool:
    """Ask `is_right` until it says yes, `seconds` have passed or `stopping` is set; its last answer."""
    deadline = time.monotonic() + seconds
    while not is_right():
        if time.monotonic() >= deadline:
            _log.warning("the time is not synchronised after %g s; going on with the clock as it is", seconds)
            return False
        if stopping.wait(_POLL_SECONDS):
            return False
    return True


def is_synchronised(machine: Machine | None = None) -> bool:
    """What systemd says; yes where it cannot be asked, as waiting would help nobody."""
    asked = (machine or Machine()).ask("timedatectl", "show", "--property=NTPSynchronized", "--value", seconds=5)
    return asked is None or asked.out.strip() != "no"
