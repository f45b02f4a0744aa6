"""Finding the box a command speaks to (DESIGN, the surface that everything relies on).

--home names a home on this machine. Without it: MEMBOX_URL with MEMBOX_API_KEY; else the box the user has logged in to;
else the daemon that holds the home, through its socket; else the home itself, opened in this process under the same
lease, behind the same application.

A login beats MEMBOX_HOME: on a box that is set for everybody, and the agent there, to whom the home is closed, has one.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from appliance import lease
from appliance.client.box_client import BoxClient
from appliance.client.login import login_key, login_url
from appliance.client.transport import (
    NobodyListensError,
    Reply,
    Transport,
    UnixTransport,
    bearer,
    connect_unix,
    transport_to,
)
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
        """The address of the box that is meant; "" when it is the home on this machine."""
        return "" if self.home_named else _url_given() or login_url()

    @property
    def box_name(self) -> str:
        """What tells this box from another."""
        return self.url or str(self.home)

    def box(self, key: str = "") -> BoxClient:
        """The box to speak to, by the rules above; with `key`, whose may be another's, instead of the caller's own.

        Raises:
            NotConfiguredError: there is no box there, or the key is missing or cannot be one.
            UnavailableError: the home stays held by something that does not answer.
        """
        if url := self.url:
            return BoxClient(transport_to(url, key or _key_for(url)))
        self.require_home()
        return BoxClient(HomeTransport(self.home, key))

    def own_key(self) -> str:
        """The key that the user's commands send; "" where they need none.

        Raises:
            NotConfiguredError: there is none for the box that is meant.
        """
        return _key_for(self.url) if self.url else os.environ.get("MEMBOX_API_KEY", "").strip()

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


class HomeTransport:
    """A home on this machine: its daemon's socket, or, when nobody listens there, the home itself, opened here.

    Whoever holds the lease is given a little time to listen or to go.
    """

    def __init__(self, home: Path, key: str = "") -> None:
        """`key` is whose the requests are; without one they are the home's owner's."""
        self.place = f"the box at {home}"
        self._home = home
        self._credential = bearer(key)
        self._socket = UnixTransport(socket_path(home), lambda: key or _owner_key(home))
        self._opened: Transport | None = None

    @property
    def is_served(self) -> bool:
        """Whether a daemon answered."""
        return self._opened is None

    def send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], seconds: float) -> Reply:
        """One request (see `Transport`)."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._opened is None:
            try:
                return self._socket.send(method, path, body, headers, seconds)
            except NobodyListensError:
                self._open(deadline)
        return self._opened.send(method, path, body, {**headers, **self._credential}, seconds)

    def _open(self, deadline: float) -> None:
        """Open the home here, or find it taken and wait a moment; UnavailableError after the deadline."""
        try:
            door = "socket" if self._credential else "local"  # there only keys count
            self._opened = open_in_process(self._home, max(0.0, deadline - time.monotonic()), door)
        except UnavailableError as error:
            if error.word != "home_in_use" or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_SECONDS)

    def close(self) -> None:
        """Close the home if it was opened here."""
        if self._opened is not None:
            self._opened.close()


def open_in_process(home: Path, wait: float, door: str = "local") -> Transport:
    """The home, opened here once no other command holds it, for which it waits `wait` seconds; by the `door` named.

    The heavy imports are here: only a command without a daemon pays for them.

    Raises:
        UnavailableError: `home_in_use`; a daemon or another command holds it.
        StorageError, NotConfiguredError: it cannot be opened.
    """
    with ExitStack() as at_end:
        at_end.callback(lease.Lease.acquire(home, lease.COMMAND, wait).release)
        from appliance.box import open_box
        from appliance.client.in_process import WsgiTransport
        from appliance.web.app import make_app

        at_end.enter_context(_expected_faults_unlogged())
        box = open_box(home)
        at_end.callback(box.close)
        box.memory.vectors.is_alone = True
        return WsgiTransport(make_app(box, door), home, at_end.pop_all().close)


@contextmanager
def _expected_faults_unlogged() -> Iterator[None]:
    """Here what is expected is told in a sentence, and no log is kept; a fault of ours still shows its traceback."""
    import logging

    log = logging.getLogger("appliance")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def _url_given() -> str:
    return os.environ.get("MEMBOX_URL", "").strip()


def _key_for(url: str) -> str:
    """The key for the box at `url`: the one that came with MEMBOX_URL, else the login's."""
    if _url_given() and (key := os.environ.get("MEMBOX_API_KEY", "").strip()):
        return key
    if url == login_url():
        return login_key(url)
    raise NotConfiguredError(
        "missing_api_key",
        f"MEMBOX_URL names {url}, but MEMBOX_API_KEY is not set; make a key on that box with `membox key create`, "
        "or unset MEMBOX_URL to use the home on this machine.",
    )


def _listens(path: Path) -> bool:
    try:
        connect_unix(path, 1.0).close()
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        return False
    except (TimeoutError, BlockingIOError):
        return True  # too busy to take us at once, but there
    return True


def _owner_key(home: Path) -> str:
    """The owner's key, which only the home's owner can read; another user of the machine brings a key of their own."""
    try:
        return owner_key_path(home).read_text().strip()
    except FileNotFoundError as error:
        raise NobodyListensError("stopping", f"The daemon of {home} is just stopping; try again.") from error
    except PermissionError as error:
        if key := os.environ.get("MEMBOX_API_KEY", "").strip():
            return key
        raise NotConfiguredError(
            "missing_api_key",
            f"The daemon of {home} is not yours, and MEMBOX_API_KEY is not set; ask its owner for a key "
            f"(`membox key create`), and keep it with `membox login unix://{socket_path(home)}`.",
        ) from error


pass_caller: Callable[..., Callable[..., None]] = click.make_pass_decorator(Caller)
