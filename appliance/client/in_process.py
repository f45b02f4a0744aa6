"""A box opened in this process: the same application, called directly."""

import io
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from appliance.client.transport import Reply


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
