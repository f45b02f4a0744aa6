"""Finding the box a command speaks to (DESIGN, the surface that everything relies on).

MEMBOX_URL with MEMBOX_API_KEY; else the daemon that holds the home, through its socket; else the home itself, opened
in this process under the same lease, behind the same application.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from appliance import lease
from appliance.client.box_client import BoxClient
from appliance.client.transport import HttpTransport, Transport, UnixTransport, WsgiTransport, connect_unix
from appliance.errors import NotConfiguredError, UnavailableError
from appliance.home import CONFIG_FILE, owner_key_path, socket_path

# A daemon that is starting holds the lease a moment before it listens; another command holds it while it runs.
PATIENCE_SECONDS = 15.0
_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Caller:
    """What the command line's global options say: the home, and whether it was named with --home."""

    home: Path
    home_named: bool = False

    @property
    def url(self) -> str:
        """The address of the box elsewhere that is meant; "" when it is the home on this machine."""
        return "" if self.home_named else os.environ.get("MEMBOX_URL", "").strip()

    @property
    def box_name(self) -> str:
        """What tells this box from another."""
        return self.url or str(self.home)

    def box(self) -> BoxClient:
        """The box to speak to, by the rules above.

        Raises:
            NotConfiguredError: there is no box there, or the key is missing.
            UnavailableError: the home stays held by something that does not answer.
        """
        return BoxClient(_remote(self.url) if self.url else self._here())

    def is_served(self) -> bool:
        """Whether a daemon listens on the home's socket."""
        return _listens(socket_path(self.home))

    def require_home(self) -> None:
        """Raise NotConfiguredError unless the home is set up."""
        if not (self.home / CONFIG_FILE).exists():
            raise NotConfiguredError(
                "no_home",
                f"There is no memory box at {self.home}; set one up with `membox init`, or name another with --home, "
                "MEMBOX_HOME, or MEMBOX_URL and MEMBOX_API_KEY.",
            )

    def _here(self) -> Transport:
        """The daemon's socket, or the home itself, waiting a little for whoever holds the lease to answer or go."""
        self.require_home()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            if self.is_served():
                return UnixTransport(socket_path(self.home), _key_for(self.home))
            try:
                return open_in_process(self.home, max(0.0, deadline - time.monotonic()))
            except UnavailableError as error:
                if error.word != "home_in_use" or time.monotonic() > deadline:
                    raise
            time.sleep(_PAUSE_SECONDS)


def open_in_process(home: Path, wait: float) -> Transport:
    """The home, opened here once no other command holds it, for which it waits `wait` seconds.

    The heavy imports are here: only a command without a daemon pays for them.

    Raises:
        UnavailableError: `home_in_use`; a daemon or another command holds it.
        StorageError, NotConfiguredError: it cannot be opened.
    """
    held = lease.Lease.acquire(home, lease.COMMAND, wait)
    try:
        import logging

        from appliance.box import open_box
        from appliance.web.app import make_app

        logging.getLogger("appliance").setLevel(logging.ERROR)  # what is expected is told as one sentence
        box = open_box(home)
    except BaseException:
        held.release()
        raise

    def close() -> None:
        try:
            box.close()
        finally:
            held.release()

    return WsgiTransport(make_app(box, "local"), home, close)


def _remote(url: str) -> Transport:
    key = os.environ.get("MEMBOX_API_KEY", "").strip()
    if not key:
        raise NotConfiguredError(
            "missing_api_key",
            f"MEMBOX_URL names {url}, but MEMBOX_API_KEY is not set; make a key on that box with `membox key create`, "
            "or unset MEMBOX_URL to use the home on this machine.",
        )
    return HttpTransport(url, key)


def _listens(path: Path) -> bool:
    try:
        connect_unix(path, 1.0).close()
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        return False
    except (TimeoutError, BlockingIOError):
        return True  # too busy to take us at once, but there
    return True


def _key_for(home: Path) -> str:
    """The owner's key, which only the home's owner can read; another user of the machine brings a key of their own."""
    try:
        return owner_key_path(home).read_text().strip()
    except OSError as error:
        if key := os.environ.get("MEMBOX_API_KEY", "").strip():
            return key
        raise NotConfiguredError(
            "missing_api_key",
            f"The daemon of {home} is not yours, and MEMBOX_API_KEY is not set; ask its owner for a key "
            "(`membox key create`).",
        ) from error


pass_caller: Callable[..., Callable[..., None]] = click.make_pass_decorator(Caller)
