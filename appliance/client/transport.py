"""The ways a request reaches a box: over HTTP, through the box's own socket, or straight into a WSGI application.

All three take and give the same bytes, so everything above them is one code path. Standard library only: a note
through the daemon must answer in under 150 ms (DESIGN, Decisions), the start of the interpreter included.
"""

import http.client
import io
import os
import socket
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from appliance.errors import NotConfiguredError, UnavailableError

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
RESTART_SECONDS = 15.0
_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the HTTP status, the body as sent, and where a redirect points."""

    status: int
    body: bytes
    location: str = ""


class BrokenConnectionError(Exception):
    """The connection ended before the answer; the request may or may not have been carried out."""


class NobodyListensError(UnavailableError):
    """Nothing takes connections there; the request was not sent."""


class Transport(Protocol):
    """One way to a box. `place` names the box in a sentence for a person."""

    place: str

    @property
    def is_served(self) -> bool:
        """Whether others reach the box too; not so when it was opened in this process."""

    def send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], seconds: float) -> Reply:
        """Send one request and wait at most `seconds` for each part of its answer.

        Raises:
            BrokenConnectionError: the connection broke after it stood; safe to repeat only with an idempotency key.
            NobodyListensError: nothing takes connections there.
            UnavailableError: nothing answers there, or not in time.
        """

    def close(self) -> None:
        """Give back what the transport holds."""


class HttpTransport:
    """A box elsewhere, by its address and a key."""

    is_served = True

    def __init__(self, url: str, key: str) -> None:
        """Raises NotConfiguredError when `url` is no http(s) address or `key` cannot be one."""
        self.place = url
        self._secure, self._host, self._port, self._prefix = _parse_url(url)
        self._credential = bearer(key)

    def send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], seconds: float) -> Reply:
        """One request on a connection of its own (see `Transport`)."""
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=CONNECT_SECONDS)
        _connect(connection, self.place)
        return _exchange(
            connection, self.place, method, self._prefix + path, body, {**headers, **self._credential}, seconds
        )

    def close(self) -> None:
        """Nothing to give back: a connection lives for one request."""


class UnixTransport:
    """The daemon of a home on this machine, through its socket.

    `key` is called once a connection stands: a daemon makes its key anew at every start, before it listens.

    Args:
        patience: seconds to wait for a daemon that does not listen, as it is being started again say.
    """

    is_served = True

    def __init__(self, path: Path, key: Callable[[], str], patience: float = 0.0) -> None:
        self.place = f"the daemon at {path}"
        self._path = path
        self._key = key
        self._patience = patience

    def send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], seconds: float) -> Reply:
        """One request on a connection of its own (see `Transport`)."""
        connection = self._connected()
        try:
            credential = bearer(self._key())
        except BaseException:
            connection.close()
            raise
        return _exchange(connection, self.place, method, path, body, {**headers, **credential}, seconds)

    def _connected(self) -> "_UnixConnection":
        deadline = time.monotonic() + self._patience
        while True:
            connection = _UnixConnection(self._path)
            try:
                _connect(connection, self.place)
            except NobodyListensError:
                # The directory stays while a daemon is away: without it there is none to wait for.
                if time.monotonic() >= deadline or not self._path.parent.is_dir():
                    raise
                time.sleep(_PAUSE_SECONDS)
            else:
                return connection

    def close(self) -> None:
        """Nothing to give back: a connection lives for one request."""


class WsgiTransport:
    """A box opened in this process: the same application, called directly at the door "local"."""

    is_served = False

    def __init__(self, app: Callable[..., Iterable[bytes]], home: Path, close: Callable[[], None]) -> None:
        self.place = f"the box at {home}"
        self._app = app
        self._close_box = close

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        seconds: float,  # noqa: ARG002 - the protocol's
    ) -> Reply:
        """One call of the application; it has no connection that could break or stall."""
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, fields: list[tuple[str, str]], *_: Any) -> None:
            started.append((status, fields))

        chunks = self._app(_environ(method, path, body or b"", headers), start_response)
        try:
            answer = b"".join(chunks)
        finally:
            if close := getattr(chunks, "close", None):
                close()
        status, fields = started[-1]
        location = next((value for name, value in fields if name.lower() == "location"), "")
        return Reply(int(status.split()[0]), answer, location)

    def close(self) -> None:
        """Close the box."""
        self._close_box()


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=CONNECT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = connect_unix(self._path, CONNECT_SECONDS)


def transport_to(url: str, key: str, patience: float = RESTART_SECONDS) -> Transport:
    """The way to the box at `url`: http(s), or `unix:///…` for a daemon's socket on this machine.

    There a daemon that is being started again is waited for, `patience` seconds: whoever has a key need not be able to
    see whether one holds the lease.

    Raises:
        NotConfiguredError: `url` is no such address, or `key` cannot be one.
    """
    if not url.strip().startswith("unix:"):
        return HttpTransport(url, key)
    path = Path(url.strip().removeprefix("unix:").removeprefix("//"))
    if not path.is_absolute() or "\0" in str(path):
        raise _bad_url(url)
    bearer(key)
    return UnixTransport(path, lambda: key, patience)


def connect_unix(path: Path, seconds: float) -> socket.socket:
    """A connected stream socket at `path`, however long the path is; OSError when nobody listens there."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(seconds)
    try:
        sock.connect(str(path))
    except OSError as error:
        sock.close()
        if "too long" not in str(error):
            raise
        return _connect_beside(path, seconds)
    return sock


def _connect_beside(path: Path, seconds: float) -> socket.socket:
    """Through a descriptor of its directory: a socket's address may have 107 bytes only (Linux)."""
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(seconds)
    try:
        sock.connect(f"/proc/self/fd/{directory}/{path.name}")
    except OSError:
        sock.close()
        raise
    finally:
        os.close(directory)
    return sock


def bearer(key: str) -> dict[str, str]:
    """The header that carries `key`; none for an empty one. NotConfiguredError when it could not be a key."""
    key = key.strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise NotConfiguredError(
            "bad_key",
            "That is not a key: it has spaces or unusual characters; copy it again (MEMBOX_API_KEY, `membox login`).",
        )
    return {"Authorization": f"Bearer {key}"} if key else {}


def _parse_url(url: str) -> tuple[bool, str, int | None, str]:
    try:
        parts = urlsplit(url.strip())
        port = parts.port
        (parts.hostname or "").encode("idna")
    except ValueError:
        parts, port = urlsplit(""), None
    if not parts.path.isascii() or " " in parts.path:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise _bad_url(url)
    return parts.scheme == "https", parts.hostname, port, parts.path.rstrip("/")


def _bad_url(url: str) -> NotConfiguredError:
    return NotConfiguredError(
        "bad_url",
        f"{url!r} is no address of a box (MEMBOX_URL, `membox login`); write it like https://box.example.ts.net or "
        "unix:///var/lib/membox/run/membox.sock.",
    )


def _exchange(
    connection: http.client.HTTPConnection,
    place: str,
    method: str,
    path: str,
    body: bytes | None,
    headers: Mapping[str, str],
    seconds: float,
) -> Reply:
    """One request on a connection that stands, its faults told as errors of ours."""
    try:
        connection.sock.settimeout(seconds)
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return Reply(answer.status, answer.read(), answer.getheader("Location") or "")
    except TimeoutError as error:
        raise UnavailableError(
            "stalled", f"{_capital(place)} took the request but gave no answer within {seconds:g} s; see its log."
        ) from error
    except (ConnectionError, http.client.IncompleteRead, http.client.RemoteDisconnected) as error:
        raise BrokenConnectionError(str(error)) from error
    except (http.client.HTTPException, OSError) as error:
        raise UnavailableError(
            "no_box", f"What answers at {place} does not speak like a box ({error}); check the address."
        ) from error
    finally:
        connection.close()


def _connect(connection: http.client.HTTPConnection, place: str) -> None:
    try:
        connection.connect()
    except TimeoutError as error:
        raise UnavailableError(
            "unreachable",
            f"{_capital(place)} does not answer within {CONNECT_SECONDS:g} s; is it switched on, and this machine "
            "on the same network?",
        ) from error
    except (ConnectionRefusedError, FileNotFoundError, NotADirectoryError) as error:
        raise NobodyListensError(
            "unreachable", f"Nothing listens at {place}; is the daemon started there, and the port right?"
        ) from error
    except socket.gaierror as error:
        raise UnavailableError(
            "unreachable", f"There is no host of that name: {place}; check the address and the network."
        ) from error
    except OSError as error:
        raise UnavailableError("unreachable", f"{_capital(place)} cannot be reached: {_reason(error)}.") from error


def _reason(error: OSError) -> str:
    return getattr(error, "verify_message", "") or error.strerror or str(error)


def _capital(place: str) -> str:
    return place[:1].upper() + place[1:] if place.startswith("the ") else place


def _environ(method: str, path: str, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """The WSGI environment of a local request (PEP 3333)."""
    where, _, query = path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(where, "latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "0",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": True,
        "membox.door": "local",
    }
    for name, value in headers.items():
        field = name.upper().replace("-", "_")
        environ[field if field == "CONTENT_TYPE" else "HTTP_" + field] = value
    return environ
