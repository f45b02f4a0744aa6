"""Streamable HTTP: the SDK's, behind one door that asks for a token, on a socket of systemd's or of our own.

Without sessions: whatever a request needs it carries along, so that the server may end when nobody has called for a
while, and be started again by the next call without any client noticing.
"""

import json
import logging
import os
import socket
import time
from collections.abc import Mapping
from typing import Any

import anyio
import uvicorn
from anyio import to_thread
from mcp.server.lowlevel import Server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import ASGIApp, Receive, Scope, Send

from appliance.config import Config
from appliance.errors import (
    ForbiddenError,
    MemboxError,
    NotConfiguredError,
    NotFoundError,
    TooManyError,
    UnauthorizedError,
    UnavailableError,
)
from appliance.mcp.callers import Callers, token_in

PATH = "/mcp"
MAX_BODY = 1024 * 1024 + 16 * 1024  # what the box takes at once, and the envelope around it
MAX_CONNECTIONS = 100
_PAUSE_SECONDS = 0.5
_FIRST_SOCKET = 3  # sd_listen_fds(3)
_HEADERS = {401: [(b"www-authenticate", b"Bearer")], 405: [(b"allow", b"POST")]}


class MethodError(MemboxError):
    """Only POST is served."""


_STATUS: dict[type[MemboxError], int] = {
    UnauthorizedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    MethodError: 405,
    TooManyError: 429,
    UnavailableError: 503,
}


class Door:
    """Lets in requests that carry a good token, and knows how long nobody has come.

    Args:
        app: what they are let in to.
        callers: who asks the box about a token.
        inside: whether a token may also come inside the call, where the tools ask for it.
    """

    def __init__(self, app: ASGIApp, callers: Callers, inside: bool) -> None:
        self._app, self._callers, self._inside = app, callers, inside
        self._at_work = 0
        self._last = time.monotonic()

    @property
    def idle_seconds(self) -> float:
        """For how long there has been no request, an open stream being one."""
        return 0.0 if self._at_work else time.monotonic() - self._last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._at_work += 1
        try:
            await self._admit(scope)
        except MemboxError as error:
            await _refuse(error, send)
        else:
            await self._app(scope, receive, send)
        finally:
            self._at_work -= 1
            self._last = time.monotonic()

    async def _admit(self, scope: Scope) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if "tailscale-funnel-request" in headers:
            raise ForbiddenError("funnel_refused", "A memory box is never served to the internet.")
        if scope["path"] != PATH:
            raise NotFoundError("not_found")
        if scope["method"] != "POST":  # without sessions there is no further stream to ask for, and none to end
            raise MethodError("method_not_allowed")
        token = token_in(headers)
        if token or not self._inside:
            await to_thread.run_sync(self._callers.check, token)


async def _refuse(error: MemboxError, send: Send) -> None:
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 503)
    body = json.dumps({"detail": error.word, "message": error.sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers + _HEADERS.get(status, [])})
    await send({"type": "http.response.body", "body": body})


async def serve_http(server: Server[Any], callers: Callers, config: Config, inside: bool, idle_seconds: float) -> None:
    """Serve until the process is told to end; on a socket of systemd's also once nobody has called for `idle_seconds`.

    Args:
        inside: whether a token may also come inside a call.

    Raises:
        NotConfiguredError: the address cannot be had.
    """
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        stateless_http=True,
        max_request_body_size=MAX_BODY,
        transport_security=_own_names(config),
    )
    door = Door(app, callers, inside)
    given = handed_over(os.environ)
    listening = given or [_bound(config.mcp.host, config.mcp.port)]
    logging.basicConfig(level=logging.WARNING)
    http = uvicorn.Server(
        uvicorn.Config(
            door,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=5,
        )
    )
    async with anyio.create_task_group() as tasks:
        if given:
            tasks.start_soon(_end_when_idle, http, door, idle_seconds)
        await http.serve(listening)
        tasks.cancel_scope.cancel()


async def _end_when_idle(http: uvicorn.Server, door: Door, seconds: float) -> None:
    while (left := seconds - door.idle_seconds) > 0 or http.server_state.connections:
        await anyio.sleep(max(left, _PAUSE_SECONDS))
    http.should_exit = True


def handed_over(environ: Mapping[str, str]) -> list[socket.socket]:
    """The sockets that systemd started this process for (sd_listen_fds(3)); none when it did not."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(environ.get("LISTEN_FDS", "0"))
    return [socket.socket(fileno=number) for number in range(_FIRST_SOCKET, _FIRST_SOCKET + count)]


def _own_names(config: Config) -> TransportSecuritySettings:
    """Under which names a browser may call, and from pages of which: those of this machine and of its tailnet."""
    here = ("localhost", "127.0.0.1", "[::1]", config.mcp.host)
    names = dict.fromkeys((*here, *config.tailnet.hosts, *config.daemon.web_hosts))
    hosts = [host for name in names for host in (name, f"{name}:*")]
    origins = [f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts]
    return TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=origins)


def _bound(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise NotConfiguredError(
            "port_in_use",
            f"{host}:{port} cannot be listened at ({error.strerror}); choose another with"
            " `membox config set mcp.port PORT`.",
        ) from error
