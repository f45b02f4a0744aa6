"""The ways a request reaches a box: over HTTP, through the box's own socket, or straight into a WSGI application.

All three take and give the same bytes, so everything above them is one code path. A note through the daemon must
answer in under 150 ms (DESIGN, Decisions), the start of the interpreter included: so this, the way through the socket,
speaks HTTP by itself, where the standard library's client takes a tenth of that to load.
"""

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from appliance.errors import NotConfiguredError, UnavailableError

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
RESTART_SECONDS = 15.0
_PAUSE_SECONDS = 0.1
_LONGEST_LINE, _MOST_HEADERS = 65536, 100


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
        with self._connected() as sock:
            fields = {**headers, **bearer(self._key())}
            with answering(self.place, seconds):
                sock.settimeout(seconds)
                return _exchange(sock, method, path, body, fields)

    def _connected(self) -> socket.socket:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                with connecting(self.place):
                    return connect_unix(self._path, CONNECT_SECONDS)
            except NobodyListensError:
                # The directory stays while a daemon is away: without it there is none to wait for.
                if time.monotonic() >= deadline or not self._path.parent.is_dir():
                    raise
                time.sleep(_PAUSE_SECONDS)

    def close(self) -> None:
        """Nothing to give back: a connection lives for one request."""


def transport_to(url: str, key: str, patience: float = RESTART_SECONDS) -> Transport:
    """The way to the box at `url`: http(s), or `unix:///…` for a daemon's socket on this machine.

    There a daemon that is being started again is waited for, `patience` seconds: whoever has a key need not be able to
    see whether one holds the lease.

    Raises:
        NotConfiguredError: `url` is no such address, or `key` cannot be one.
    """
    if not url.strip().startswith("unix:"):
        from appliance.client.over_http import HttpTransport

        return HttpTransport(url, key)
    path = Path(url.strip().removeprefix("unix:").removeprefix("//"))
    if not path.is_absolute() or "\0" in str(path):
        raise bad_url(url)
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


def bad_url(url: str) -> NotConfiguredError:
    """The error for an address that is none."""
    return NotConfiguredError(
        "bad_url",
        f"{url!r} is no address of a box (MEMBOX_URL, `membox login`); write it like https://box.example.ts.net or "
        "unix:///var/lib/membox/run/membox.sock.",
    )


def _exchange(sock: socket.socket, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
    """One request and its answer. EOFError when that ends too soon, ValueError when it is no HTTP."""
    fields = {"Host": "localhost", "Connection": "close", "Content-Length": str(len(body or b"")), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    sock.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + (body or b""))
    with sock.makefile("rb") as stream:
        version, _, status = stream.readline(_LONGEST_LINE).partition(b" ")
        if not version:
            raise EOFError("no answer")
        if not version.startswith(b"HTTP/1."):
            raise ValueError("no HTTP")
        told = _headers(line.decode("latin-1") for line in iter(lambda: stream.readline(_LONGEST_LINE), b"\r\n"))
        length = int(told.get("content-length", -1))  # -1: to the end
        answer = stream.read(length)
    if len(answer) < length:
        raise EOFError("half an answer")
    return Reply(int(status[:3]), answer, told.get("location", ""))


def _headers(lines: Iterator[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        if not line:
            raise EOFError("half a head")
        if len(headers) == _MOST_HEADERS:
            raise ValueError("no end of headers")
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return headers


@contextmanager
def answering(place: str, seconds: float) -> Iterator[None]:
    """The faults of a connection that stands as errors of ours; a ValueError says that what came is no answer."""
    try:
        yield
    except TimeoutError as error:
        raise UnavailableError(
            "stalled", f"{_capital(place)} took the request but gave no answer within {seconds:g} s; see its log."
        ) from error
    except (ConnectionError, EOFError) as error:
        raise BrokenConnectionError(str(error)) from error
    except (ValueError, OSError) as error:
        raise UnavailableError(
            "no_box", f"What answers at {place} does not speak like a box ({error}); check the address."
        ) from error


@contextmanager
def connecting(place: str) -> Iterator[None]:
    """The faults of connecting as errors of ours."""
    try:
        yield
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
