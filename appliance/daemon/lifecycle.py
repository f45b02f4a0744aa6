"""The daemon's life on a home: start, serve until told to stop, leave nothing behind.

For the command line (it puts the web's listeners in, as the daemon knows no door):

    start(home, make_listeners, host=None, port=None)   foreground; returns when it was told to stop
    start_detached(home, host=None, port=None)          -> Holder, once it serves; raises with the child's sentence
    stop(home)                                          -> bool, False when no daemon ran
    status(home)                                        -> Holder | None (.pid .url .ready .since)
    logs(home, lines=100)                               -> list[str], what a detached daemon said last

`make_listeners(box, host, port)` binds every socket of `box` and returns `Listeners`; what it raises is told in one
sentence. A command without a daemon takes `Lease.acquire(home, COMMAND)` (appliance/lease.py) and opens the box.
"""

import ipaddress
import logging
import os
import secrets
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol, TextIO

from appliance import lease
from appliance.daemon.detached import logs, start_detached
from appliance.errors import ForbiddenError, NotConfiguredError, UnavailableError
from appliance.hold import HELD
from appliance.home import owner_key_path, socket_path
from appliance.lease import DAEMON, Holder, Lease

if TYPE_CHECKING:  # a box is heavy; `stop` and `status` need none
    from appliance.box import Box
    from appliance.config import Config
    from appliance.daemon.schedule import Schedule

__all__ = ["Listeners", "MakeListeners", "logs", "start", "start_detached", "status", "stop"]

STOP_SECONDS = 60.0
_M_ARENA_MAX = -8  # malloc.h
_log = logging.getLogger(__name__)


class Listeners(Protocol):
    """The sockets of a box, bound when it is made (appliance/web/server.py)."""

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the pages, such as http://127.0.0.1:8080."""

    def start(self) -> None:
        """Begin to answer, on threads of its own."""

    def is_alive(self) -> bool:
        """Whether every listener still answers."""

    def close(self) -> None:
        """Take no more requests, and finish those that are running."""


type MakeListeners = Callable[[Box, str, int], Listeners]


def start(
    home: Path,
    make_listeners: MakeListeners,
    host: str | None = None,
    port: int | None = None,
    out: TextIO | None = None,
) -> None:
    """Serve the box of `home` until SIGTERM or SIGINT; must be called in the main thread.

    `host` and `port` override daemon.web_ui_host and daemon.web_ui_port; `out` (default: stdout) gets the address.

    Raises:
        UnavailableError: another daemon holds the home, or the port is taken.
        NotConfiguredError: a setting is wrong, the daemon is switched off, or authentication is off on an address
            others can reach.
        StorageError, StorageFullError: the home or its database cannot be used.
    """
    from appliance.config import load_config

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    _share_memory_among_threads()
    stopping = stop_on_signals()
    with ExitStack() as at_end:
        held = at_end.enter_context(Lease.acquire(home, DAEMON))
        config = load_config(home)
        if not config.daemon.enabled:
            raise NotConfiguredError(
                "daemon_disabled", "The daemon is switched off here: `membox config set daemon.enabled true` allows it."
            )
        host, port = host or config.daemon.web_ui_host, config.daemon.web_ui_port if port is None else port
        refuse_open_door(config, host)
        try:
            _serve(home, held, make_listeners, host, port, out or sys.stdout, stopping, at_end)
        except OSError as fault:
            raise lease.unwritable(home, fault) from fault


def _share_memory_among_threads() -> None:
    """Let glibc keep two pools of memory, not one for each thread, which all keep the most they ever needed."""
    import ctypes

    with suppress(AttributeError):  # a C library without pools
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def _serve(
    home: Path,
    held: Lease,
    make_listeners: MakeListeners,
    host: str,
    port: int,
    out: TextIO,
    stopping: SimpleQueue[int],
    at_end: ExitStack,
) -> None:
    from appliance.box import open_box
    from appliance.daemon.readiness import Watchdog, notify
    from appliance.daemon.schedule import Schedule
    from appliance.daemon.working import Workers

    box = open_box(home)
    at_end.callback(box.close)
    # Before anyone can connect: a command reads the key once its connection stands.
    at_end.callback(_remove, owner_key_path(home))
    box.access.accept_owner_key(_write_owner_key(home))
    listeners = make_listeners(box, host, port)
    at_end.callback(_remove, socket_path(home))
    at_end.callback(listeners.close)
    listeners.start()
    schedule = Schedule(box)
    schedule.start()
    at_end.callback(schedule.stop)
    at_end.callback(box.providers.stop)  # no job shall hold up the end while it waits for a language model
    if box.config.jobs.worker_enabled:
        workers = Workers(box)
        workers.start()
        at_end.callback(workers.stop)
    watchdog = Watchdog(lambda: _is_well(box, schedule, listeners))
    watchdog.start()
    at_end.callback(watchdog.stop)
    at_end.callback(notify, "STOPPING=1")
    held.announce(listeners.url)
    notify(f"READY=1\nSTATUS=serving {listeners.url}")
    _greet(box, box.config.tailnet.url or listeners.url, out)
    while not was_told_to_stop(stopping, within=1.0):
        if not listeners.is_alive():
            raise UnavailableError("listener_died", "A listener of the daemon ended unexpectedly; its log says why.")
    _log.info("stopping")


def _is_well(box: "Box", schedule: "Schedule", listeners: Listeners) -> bool:
    """Whether the daemon can do its work; an empty write shows that the writer is not stuck. May block: then not."""
    from appliance.storage.database import UNREACHABLE

    if not (schedule.is_alive() and listeners.is_alive() and box.database.is_alive()):
        return False
    try:
        box.database.write(lambda _conn: None)
    except UnavailableError as refused:
        if refused.word not in (HELD, UNREACHABLE):  # that, the writer itself has said, and a new start mends neither
            raise
    return True


def refuse_open_door(config: "Config", host: str) -> None:
    """NotConfiguredError when authentication is disabled on any address but loopback (contract memory-api, Auth)."""
    if config.auth.mode == "disabled" and not is_loopback(host):
        raise NotConfiguredError(
            "auth_disabled",
            f"Authentication is disabled, so the daemon does not listen on {host}, where others could reach it: "
            "set auth.mode to api_key, or daemon.web_ui_host to 127.0.0.1.",
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _write_owner_key(home: Path) -> str:
    """A fresh key that only the home's owner can read; it counts while this daemon runs."""
    key = secrets.token_urlsafe(32)
    path = owner_key_path(home)
    _remove(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(key)
    return key


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _greet(box: "Box", url: str, out: TextIO) -> None:
    """Say where the box is; a link that signs in goes to a person at a terminal only, never into a log."""
    if out.isatty() and url.startswith("http"):
        out.write(f"membox serves {url}\nSign in (once, within ten minutes): {url}/sign-in#ticket=")
        out.write(f"{box.access.create_ticket().ticket}\n")
    else:
        out.write(f"membox serves {url}; `membox login-link` gives a link that signs in.\n")
    out.flush()


def stop_on_signals() -> SimpleQueue[int]:
    """A queue that SIGTERM and SIGINT put their number into; a second one ends the process at once.

    Not an Event: its lock is not reentrant, so that a signal in the moment in which the main thread takes it to wait
    would wait for itself for ever. `SimpleQueue.put` is made to be called in a signal handler.
    """
    stopping: SimpleQueue[int] = SimpleQueue()

    def stop_once(number: int, _frame: object) -> None:
        stopping.put(number)
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop_once)
    return stopping


def was_told_to_stop(stopping: SimpleQueue[int], within: float) -> bool:
    """Wait for a signal, `within` seconds at most; whether one came."""
    try:
        stopping.get(timeout=within)
    except Empty:
        return False
    return True


def status(home: Path) -> Holder | None:
    """The daemon of `home`; None when none runs. Not `ready` while it starts or stops."""
    found = lease.holder(home)
    return found if found and found.what == DAEMON else None


def stop(home: Path, seconds: float = STOP_SECONDS) -> bool:
    """End the daemon of `home` and wait until it has let go; False when none ran.

    Raises:
        ForbiddenError: it belongs to another user.
        UnavailableError: it has not ended within `seconds`, or is out of this process's sight.
    """
    daemon = status(home)
    if daemon is None:
        return False
    try:
        os.kill(daemon.pid, signal.SIGTERM)
    except PermissionError as fault:
        raise ForbiddenError(
            "not_yours", f"The daemon (process {daemon.pid}) belongs to another user; stop it as that user."
        ) from fault
    except ProcessLookupError as fault:
        if status(home) is None:
            return True
        raise UnavailableError(
            "out_of_sight", f"The daemon on {home} runs in another container; stop it there."
        ) from fault
    if not lease.wait_until_free(home, seconds, lambda: _is_same(home, daemon)) and _is_same(home, daemon):
        raise UnavailableError(
            "still_stopping",
            f"The daemon (process {daemon.pid}) has not ended within {seconds:g} s; see `membox daemon logs`.",
        )
    return True


def _is_same(home: Path, daemon: Holder) -> bool:
    found = status(home)
    return found is None or found.pid == daemon.pid
