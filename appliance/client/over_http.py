"""A box elsewhere, over HTTP or HTTPS."""

import http.client
from collections.abc import Mapping
from urllib.parse import urlsplit

from appliance.client.transport import CONNECT_SECONDS, Reply, answering, bad_url, bearer, connecting


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
        with connecting(self.place):
            connection.connect()
        try:
            with answering(self.place, seconds):
                connection.sock.settimeout(seconds)
                return _exchange(connection, method, self._prefix + path, body, {**headers, **self._credential})
        finally:
            connection.close()

    def close(self) -> None:
        """Nothing to give back: a connection lives for one request."""


def _exchange(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
) -> Reply:
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return Reply(answer.status, answer.read(), answer.getheader("Location") or "")
    except http.client.IncompleteRead as error:
        raise EOFError(str(error)) from error
    except http.client.HTTPException as error:
        if isinstance(error, ConnectionError):
            raise
        raise ValueError(str(error)) from error


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
        raise bad_url(url)
    return parts.scheme == "https", parts.hostname, port, parts.path.rstrip("/")
