"""Tailscale Serve's socket and the box's others, byte by byte: who can connect, and what tries to forge the owner.

Before the socket is a stand-in that does what Serve's source does.
"""

import http.client
import json
import os
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from appliance.box import Box, open_box
from appliance.lease import make_home
from appliance.web.endpoint import CAPTURE, SERVE, SOCKET, WEB
from appliance.web.server import Server

pytestmark = pytest.mark.usefixtures("no_faults")

NAME = "box.example.ts.net"
PHONE = "100.101.102.103"
MINE, OTHER = "mine@example.com", "other@example.com"
BEYOND_ASCII = ("müller@example.com", "ø" * 40 + "@example.com")
WHOAMI = "/v1/whoami"
OWNER = {"tenant_id": "home", "agent_id": "owner", "role": "admin", "owner": True}


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    home = Path(tmp_path_factory.mktemp("home"))
    owners = json.dumps([MINE, *BEYOND_ASCII], ensure_ascii=False)
    settings = f'[tailnet]\nserve = true\nhostname = "{NAME}"\nowners = {owners}\n'
    (home / "config.toml").write_text(settings, encoding="utf-8")
    opened = open_box(home)
    yield opened
    opened.close()


@dataclass
class Listening:
    """The box at all its doors: ports of web and capture, paths of the two sockets, and Serve before one of them."""

    box: Box
    web: int
    capture: int
    local: Path
    serve_path: Path
    serve: Any

    def raw(self, door: str, data: bytes) -> tuple[int, Any]:
        """The answer to these very bytes."""
        with self.connect(door) as sock:
            sock.sendall(data)
            answer = http.client.HTTPResponse(sock)
            answer.begin()
            return answer.status, json.loads(answer.read() or b"{}")

    def connect(self, door: str) -> socket.socket:
        if door in (WEB, CAPTURE):
            return socket.create_connection(("127.0.0.1", self.web if door == WEB else self.capture), timeout=10)
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(10)
        sock.connect(str(self.local if door == SOCKET else self.serve_path))
        return sock

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, login: str = "", **visitor: Any
    ) -> tuple[int, Any]:
        """Through Serve, as a visitor with this login."""
        self.serve.login, self.serve.is_funnel = login, visitor.get("is_funnel", False)
        self.serve.address = visitor.get("address", PHONE)
        browser = http.client.HTTPSConnection("127.0.0.1", self.serve.port, context=ssl._create_unverified_context())
        try:
            browser.request(method, path, headers={"Host": NAME, **(headers or {})})
            answer = browser.getresponse()
            body = answer.read()
            return answer.status, json.loads(body) if answer.headers["Content-Type"] == "application/json" else body
        finally:
            browser.close()


@pytest.fixture(scope="module")
def listening(box: Box, make_serve: Callable[[Path], Any]) -> Iterator[Listening]:
    server = Server(box)
    run = box.home / "run"
    run.mkdir(exist_ok=True)
    web, capture = server.listen("127.0.0.1", 0), server.listen("127.0.0.1", 0, CAPTURE)
    local, serve_path = run / "membox.sock", run / "serve.sock"
    server.listen_unix(local)
    server.listen_serve(serve_path, user=os.getuid())
    serving = threading.Thread(target=server.serve)
    serving.start()
    yield Listening(box, web, capture, local, serve_path, make_serve(serve_path))
    server.stop()
    serving.join(timeout=15)
    assert not serving.is_alive()
    assert not serve_path.exists()


class TestThroughServe:
    def test_the_owner_is_let_in_and_others_are_not(self, listening: Listening) -> None:
        assert listening.ask("GET", WHOAMI, login=MINE) == (200, OWNER)
        for login in ("", OTHER):
            status, body = listening.ask("GET", WHOAMI, login=login)
            assert (status, body["detail"]) == (401, "missing_api_key")

    @pytest.mark.parametrize("login", BEYOND_ASCII)
    def test_a_login_outside_ascii_arrives_whole(self, listening: Listening, login: str) -> None:
        assert listening.ask("GET", WHOAMI, login=login) == (200, OWNER)

    def test_what_a_visitor_claims_does_not_arrive(self, listening: Listening) -> None:
        claims = [
            {"Tailscale-User-Login": MINE},
            {"tailscale-user-login": MINE},
            {"TAILSCALE-USER-LOGIN": MINE},
            {"Tailscale_User_Login": MINE},
            {"Tailscale-User_Login": MINE},
            {"Tailscale-User-Login": MINE, "Connection": "Tailscale-User-Login"},
            {"X-Forwarded-For": f"127.0.0.1\r\n Tailscale-User-Login: {MINE}"},
            {"Cookie": f"Tailscale-User-Login={MINE}"},
        ]
        for headers in claims:
            for login in ("", OTHER):
                assert listening.ask("GET", WHOAMI, headers, login)[0] == 401, headers

    def test_a_visitor_cannot_spoil_the_owner_s_name_with_its_own(self, listening: Listening) -> None:
        claims = {"Tailscale_User_Login": OTHER, "Tailscale-User-Login": OTHER}
        assert listening.ask("GET", WHOAMI, claims, MINE) == (200, OWNER)

    def test_nobody_hides_that_funnel_brought_him(self, listening: Listening) -> None:
        for headers in ({}, {"Connection": "Tailscale-Funnel-Request"}, {"Tailscale-Funnel-Request": ""}):
            status, body = listening.ask("GET", "/healthz", {**headers, "Tailscale-User-Login": MINE}, is_funnel=True)
            assert (status, body["detail"]) == (403, "funnel_refused")

    def test_a_visitor_chooses_no_host_and_no_address(self, listening: Listening) -> None:
        headers = {"Host": "evil.example", "X-Forwarded-Host": NAME, "X_Forwarded_Host": NAME}
        assert listening.ask("GET", WHOAMI, headers, MINE)[0] == 403
        claims = {"X-Forwarded-For": PHONE, "X_Forwarded_For": PHONE}
        assert listening.ask("GET", WHOAMI, claims, MINE, address="127.0.0.1")[0] == 401


FORGED = {
    "as Serve writes it": b"Tailscale-User-Login: mine@example.com\r\n",
    "underscores": b"Tailscale_User_Login: mine@example.com\r\n",
    "mixed": b"Tailscale-User_Login: mine@example.com\r\n",
    "small": b"tailscale-user-login: mine@example.com\r\n",
    "capitals": b"TAILSCALE-USER-LOGIN: mine@example.com\r\n",
    "under Python's name": b"HTTP_TAILSCALE_USER_LOGIN: mine@example.com\r\n",
    "twice": b"Tailscale-User-Login: mine@example.com\r\nTailscale-User-Login: mine@example.com\r\n",
    "folded": b"Tailscale-User-Login:\r\n mine@example.com\r\n",
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("door", [WEB, SOCKET])
def test_no_bytes_make_an_owner_at_another_door(listening: Listening, door: str, forged: bytes) -> None:
    head = b"GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 100.101.102.103\r\n"
    assert listening.raw(door, head + forged + b"\r\n") == (401, {"detail": "missing_api_key"})


def test_no_bytes_make_an_owner_at_the_capture_port(listening: Listening) -> None:
    for forged in FORGED.values():
        data = b"POST /note HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n" + forged + b"\r\ntext"
        assert listening.raw(CAPTURE, data) == (401, {"error": "unauthorized"})


HEAD = f"GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Host: {NAME}\r\nX-Forwarded-For: {PHONE}\r\n"
ODD = {
    **{name: FORGED[name] for name in ("underscores", "mixed", "under Python's name", "twice")},
    "an empty one first": b"Tailscale-User-Login:\r\nTailscale-User-Login: mine@example.com\r\n",
    "two persons": b"Tailscale-User-Login: other@example.com\r\nTailscale-User-Login: mine@example.com\r\n",
    "inside another": b"X-Note: a\r\n Tailscale-User-Login: mine@example.com\r\n",
    "raw UTF-8": "Tailscale-User-Login: müller@example.com\r\n".encode(),
    "two addresses": b"X-Forwarded-For: 100.101.102.103\r\nTailscale-User-Login: mine@example.com\r\n",
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_at_serve_s_socket_too_what_is_odd_is_nobody(listening: Listening, odd: bytes) -> None:
    assert listening.raw(SERVE, HEAD.encode() + odd + b"\r\n") == (401, {"detail": "missing_api_key"})


def test_at_serve_s_socket_the_plain_header_counts(listening: Listening) -> None:
    plain = FORGED["as Serve writes it"] + FORGED["underscores"].replace(b"mine", b"other")
    assert listening.raw(SERVE, HEAD.encode() + plain + b"\r\n") == (200, OWNER)


def test_serve_s_socket_is_closed_to_every_user_but_one(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(box)
    server.listen_serve(tmp_path / "serve.sock", user=os.getuid() + 1)
    serving = threading.Thread(target=server.serve)
    serving.start()
    try:
        assert stat.S_IMODE((tmp_path / "serve.sock").stat().st_mode) == 0o600
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(str(tmp_path / "serve.sock"))
            assert _answer_to(sock, HEAD.encode() + FORGED["as Serve writes it"] + b"\r\n") == b""
        assert f"user {os.getuid()}" in caplog.text
    finally:
        server.stop()
        serving.join(timeout=15)


def test_by_default_it_is_root_whom_serve_s_socket_lets_in(box: Box, tmp_path: Path) -> None:
    server = Server(box)
    server.listen_serve(tmp_path / "serve.sock")
    serving = threading.Thread(target=server.serve)
    serving.start()
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(str(tmp_path / "serve.sock"))
            answer = _answer_to(sock, HEAD.encode() + FORGED["as Serve writes it"] + b"Connection: close\r\n\r\n")
        assert (b"200 OK" in answer) == (os.getuid() == 0)
    finally:
        server.stop()
        serving.join(timeout=15)


REACHING = """
import os, socket, sys
run, name, *ids = sys.argv[1:]
user, *groups = map(int, ids)
os.setgroups(groups)
os.setgid(user)
os.setuid(user)
with socket.socket(socket.AF_UNIX) as sock:
    try:
        sock.connect(f"{run}/{name}")
        print("connects", end=" ")
    except OSError as error:
        print(error.strerror, end=" ")
try:
    print(*os.listdir(run))
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_a_user_of_the_home_s_group_reaches_the_box_s_socket_and_lists_nothing(box: Box) -> None:
    group, user = 61_001, 61_002
    with tempfile.TemporaryDirectory() as name:  # not tmp_path, which nobody else may pass through
        home, run, server = Path(name), Path(name) / "run", Server(box)
        os.chown(home, 0, group)
        home.chmod(0o710)
        make_home(home)
        server.listen_unix(run / "membox.sock")
        server.listen_serve(run / "serve.sock")

        def reaching(socket_name: str, *groups: int) -> str:
            argv = [sys.executable, "-c", REACHING, str(run), socket_name, str(user), *map(str, groups)]
            return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

        assert reaching("membox.sock", group) == "connects Permission denied"
        assert reaching("serve.sock", group) == "Permission denied Permission denied"
        assert reaching("membox.sock") == "Permission denied Permission denied"
        server.stop()
        server.serve()


def _answer_to(sock: socket.socket, data: bytes) -> bytes:
    try:
        sock.sendall(data)
        return b"".join(iter(lambda: sock.recv(65536), b""))
    except (BrokenPipeError, ConnectionResetError):
        return b""
