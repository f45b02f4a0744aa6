"""The listeners of a box: TCP for pages and API, maybe one for capture, the box's own socket, and Tailscale Serve's.

One thread reads and writes all connections and buffers whole requests, so that a client that stalls holds nothing;
worker threads run the application. Each listener has its own application, which knows its door.
"""

import errno
import json
import logging
import os
import resource
import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import BaseWSGIServer, create_server
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import BadRequest, Error, RequestEntityTooLarge, build_http_date

from appliance.access.wrong_keys import WrongKeys
from appliance.errors import NotConfiguredError
from appliance.web.access_api import web_url
from appliance.web.app import make_app
from appliance.web.endpoint import CAPTURE, JSON, SERVE, SOCKET, WEB, Door

if TYPE_CHECKING:
    from appliance.box import Box

WEB_THREADS = 16
FEW_THREADS = 4
MAX_CONNECTIONS = 1000
_SOCKET_MODE, _SERVE_MODE = 0o660, 0o600
_PEER = struct.Struct("3i")  # process, user and group: the kernel's struct ucred
_SOCKET_PATH_BYTES = 100  # systems differ: 104 to 108, the last for a zero
_DRAIN_SECONDS = 2
_MAX_DISCARDED = 64 * 1024 * 1024
_SETTINGS: dict[str, Any] = {
    # Above the application's own limits, so that a body a little too large gets a clean answer.
    "max_request_body_size": 8 * 1024 * 1024,
    "max_request_header_size": 64 * 1024,
    "channel_timeout": 60,
    "cleanup_interval": 15,
    "recv_bytes": 64 * 1024,
    "backlog": 256,
    "asyncore_use_poll": True,  # select() ends at descriptor 1023
    "ident": None,
    "log_socket_errors": False,
}
log = logging.getLogger(__name__)
_WORDS = {413: "body_too_large", 431: "headers_too_large", 500: "internal_error", 501: "not_implemented"}


class Parser(HTTPRequestParser):
    """Answers where waitress would drop the connection.

    Numbers and addresses that Python itself refuses are 400. A body over the limit is read to its end and thrown
    away before 413 is said, since a client that is still sending would find its connection broken instead.
    """

    _to_discard = 0

    def received(self, data: bytes) -> int:
        """Take in bytes of the request; how many were used."""
        if self._to_discard:
            used = min(len(data), self._to_discard)
            self._to_discard -= used
            self.completed = not self._to_discard
            return used
        try:
            used = int(super().received(data))
        except ValueError:
            self.error = BadRequest("not understandable")
            self.completed = True
            return len(data)
        if isinstance(self.error, RequestEntityTooLarge) and not self.chunked:
            self._discard_body()
        return used

    def _discard_body(self) -> None:
        if self.expect_continue:
            self.expect_continue = False  # it waits to hear whether to send at all
        elif self.content_length <= _MAX_DISCARDED:
            self._to_discard = self.content_length
            self.completed = False


class JsonErrorTask(ErrorTask):
    """Says in JSON, like all else, what is wrong with a request that never reached the application."""

    def execute(self) -> None:
        """Write the answer."""
        request: Any = self.request
        error: Error = request.error
        key = "error" if getattr(request, "path", "") == "/note" else "detail"
        body = json.dumps({key: _WORDS.get(error.code, "bad_request")}).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers = [
            ("Content-Type", JSON),
            ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "no-store"),
        ]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class Task(WSGITask):
    """Sends head and body of an answer together: one system call, and one wake-up of the client, instead of two."""

    def build_response_header(self) -> bytes:
        """The head of an answer; one of usual form without a second look at headers that are our own."""
        request: Any = self.request
        if self.version != "1.1" or self.content_length is None or "CONNECTION" in request.headers:
            head: bytes = super().build_response_header()
            return head
        headers = [*self.response_headers, ("Date", build_http_date(self.start_time))]
        lines = "\r\n".join(map(": ".join, headers))
        return f"HTTP/1.1 {self.status}\r\n{lines}\r\n\r\n".encode("latin-1")

    def write(self, data: bytes) -> None:
        """Write a part of the answer's body, its head before the first."""
        whole = self.complete and not self.wrote_header and self.has_body and self.content_length == len(data)
        if not whole:
            super().write(data)
            return
        self.channel.write_soon(self.build_response_header() + data)
        self.wrote_header = True
        self.content_bytes_written = len(data)


class Channel(HTTPChannel):
    """A connection with our parser, answers and errors."""

    parser_class = Parser
    task_class = Task
    error_task_class = JsonErrorTask


class Server:
    """All listeners of one box. Made and run by the daemon; threads start with the first listener."""

    def __init__(self, box: "Box") -> None:
        self._box = box
        self._map: dict[int, Any] = {}
        self._servers: list[BaseWSGIServer] = []
        self._socket_paths: list[Path] = []
        self._wrong_keys = WrongKeys()
        self._doors: list[Door] = []
        self._stopping = False
        self._ending = threading.Lock()
        _allow_descriptors()
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a full queue is no news

    def listen(self, host: str, port: int, door: str = WEB) -> int:
        """Listen on a TCP address; the port, useful when 0 was asked for.

        Raises:
            NotConfiguredError: `port_in_use`, or `bad_address` when this machine has no such address.
        """
        key = "capture_port" if door == CAPTURE else "web_ui_port"
        try:
            sockets = [_bound(*address) for address in _addresses(host, port)]
        except OSError as error:
            raise _not_listening(error, host, port, key) from error
        actual = int(sockets[0].getsockname()[1])
        self._add(sockets, door, WEB_THREADS if door == WEB else FEW_THREADS)
        if door == WEB:
            for each in self._doors:
                each.web_url = web_url(host, actual)
        return actual

    def listen_unix(self, path: Path) -> None:
        """Listen on the box's own socket, for the home's group; only keys count there.

        Raises:
            NotConfiguredError: `socket_path_too_long` where the system cannot help it.
        """
        sock = self._at(path, _SOCKET_MODE)
        with suppress(PermissionError):  # of a group the daemon is not in: then the socket stays the daemon's own
            os.chown(path, -1, path.parent.stat().st_gid)
        self._add([sock], SOCKET, FEW_THREADS)

    def listen_serve(self, path: Path, user: int = 0) -> None:
        """Listen on the socket of Tailscale Serve, whose word on who asks counts there: to `user`, root, alone.

        Raises:
            NotConfiguredError: `socket_path_too_long`; `serve_unknown_peer` where the system does not tell whose a
                connection is.
        """
        if not hasattr(socket, "SO_PEERCRED"):
            raise NotConfiguredError(
                "serve_unknown_peer", "Only Linux says who connects to a socket; set tailnet.serve to false here."
            )
        for server in self._add([self._at(path, _SERVE_MODE)], SERVE, WEB_THREADS):
            _admit_only(user, server)

    def serve(self) -> None:
        """Serve until `stop`; then finish the requests at work and close everything."""
        while not self._stopping:
            wasyncore.loop(timeout=1, use_poll=True, map=self._map, count=1)
        self._ending.acquire()  # for good: from now on `stop` has nothing to wake, and its trigger is closed
        self._close()

    def stop(self) -> None:
        """Make `serve` return soon; safe from any thread or signal handler."""
        self._stopping = True
        if self._ending.acquire(blocking=False):
            try:
                for server in self._servers[:1]:
                    server.pull_trigger()
            finally:
                self._ending.release()

    def _at(self, path: Path, mode: int) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path.unlink(missing_ok=True)  # of a daemon that was killed: whoever calls holds the home's lease
        _bind_unix(sock, path)
        path.chmod(mode)  # before anyone can connect: it does not listen yet
        self._socket_paths.append(path)
        return sock

    def _add(self, sockets: list[socket.socket], name: str, threads: int) -> list[BaseWSGIServer]:
        web_url_so_far = self._doors[0].web_url if self._doors else ""
        door = Door(name, self._wrong_keys, web_url_so_far)
        self._doors.append(door)
        # All listeners share one count of connections; strangers must not use up the owner's own socket.
        limit = MAX_CONNECTIONS if name in (WEB, SERVE) else MAX_CONNECTIONS + 100
        known = set(self._map)
        create_server(
            make_app(self._box, door),
            map=self._map,
            sockets=sockets,
            threads=threads,
            connection_limit=limit,
            **{**_SETTINGS, "clear_untrusted_proxy_headers": name != SERVE},
        )
        new = [each for number in set(self._map) - known if isinstance(each := self._map[number], BaseWSGIServer)]
        for server in new:
            server.channel_class = Channel
        self._servers += new
        return new

    def _close(self) -> None:
        for server in self._servers:
            server.accepting = False
            if server.socket is not None:
                server.socket.close()
        for dispatcher in {server.task_dispatcher for server in self._servers}:
            dispatcher.shutdown()
        for _ in range(_DRAIN_SECONDS * 10):
            if not any(getattr(each, "total_outbufs_len", 0) for each in self._map.values()):
                break
            wasyncore.loop(timeout=0.1, use_poll=True, map=self._map, count=1)
        wasyncore.close_all(self._map)
        for path in self._socket_paths:
            path.unlink(missing_ok=True)


def _allow_descriptors() -> None:
    """Room for every connection: many systems allow a process 1024 open files unless it asks for more."""
    wanted = MAX_CONNECTIONS * 2
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def _addresses(host: str, port: int) -> list[tuple[int, Any]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _bound(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(_SETTINGS["backlog"])
    except OSError:
        sock.close()
        raise
    return sock


def _not_listening(error: OSError, host: str, port: int, key: str) -> NotConfiguredError:
    if error.errno == errno.EADDRINUSE:
        return NotConfiguredError(
            "port_in_use",
            f"Port {port} on {host} is taken by another program; choose another with"
            f" `membox config set daemon.{key} PORT`, or stop that program.",
        )
    if error.errno == errno.EACCES:
        return NotConfiguredError(
            "port_not_allowed", f"Ports below 1024 are the system's; set daemon.{key} to a higher one than {port}."
        )
    return NotConfiguredError(
        "bad_address", f"This machine cannot listen on {host} ({error.strerror}); set daemon.web_ui_host to one it has."
    )


def _admit_only(user: int, server: BaseWSGIServer) -> None:
    """Close each connection of another user at once."""
    accept = server.accept

    def accept_from_user() -> Any:
        accepted = accept()
        if accepted is not None and (peer := _user_of(accepted[0])) != user:
            log.warning("closed a connection of user %s to Tailscale Serve's socket", peer)
            accepted[0].close()
            return None
        return accepted

    server.accept = accept_from_user  # type: ignore[method-assign] # waitress makes the server, not we


def _user_of(connection: socket.socket) -> int:
    return int(_PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))[1])


def _bind_unix(sock: socket.socket, path: Path) -> None:
    if len(os.fsencode(path)) < _SOCKET_PATH_BYTES:
        sock.bind(str(path))
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sock.bind(f"/proc/self/fd/{directory}/{path.name}")
    except OSError as error:
        raise NotConfiguredError(
            "socket_path_too_long", f"The path of the home is too long for a socket: {path}; use a shorter home."
        ) from error
    finally:
        os.close(directory)
