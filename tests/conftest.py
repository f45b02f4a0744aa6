"""What tests of every room may need."""

import http.client
import os
import shutil
import signal
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from appliance.storage import Database, open_database, open_postgres

pytest_plugins = ["tests.llm_server", "tests.postgres"]

FOR_TESTS = {"MEMBOX_CHROMIUM", "MEMBOX_COPIES", "MEMBOX_KILLS", "MEMBOX_SEED"}  # these speak to the tests themselves

# An example that takes long tells of a busy machine, not of a fault.
settings.register_profile("untimed", settings.default, deadline=None)
settings.load_profile("untimed")


def pytest_configure() -> None:
    """Keep a person's own box out of the tests, and let Ctrl-C work in what they start.

    What the environment says of a box is forgotten, and so are the person's login and keyring, and the transcripts of
    their agent. A shell starts background jobs with SIGINT ignored, and their children would inherit that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in [name for name in os.environ if name.startswith(("MEMBOX_", "BRAINSTEM_"))]:
        if name not in FOR_TESTS:
            del os.environ[name]
    os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="membox-config-")
    os.environ["CLAUDE_CONFIG_DIR"] = os.path.join(os.environ["XDG_CONFIG_HOME"], "claude")


def pytest_unconfigure() -> None:
    """Clear away what `pytest_configure` made."""
    shutil.rmtree(os.environ["XDG_CONFIG_HOME"])


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium: `$MEMBOX_CHROMIUM`, else the first of its names on PATH (as in .ci/tools)."""
    names = (os.environ.get("MEMBOX_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    for name in filter(None, names):
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium: install Debian's chromium or say where it is with MEMBOX_CHROMIUM")


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed, empty database file of the newest schema; migrated once, since that starts a process."""
    path = tmp_path_factory.mktemp("database") / "membox.db"
    open_database(path).close()
    return path


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, empty_database: Path, tmp_path: Path) -> Iterator[Database]:
    """An empty store, of each dialect; `@pytest.mark.parametrize("database", ["sqlite"], indirect=True)` is of one."""
    if request.param == "sqlite":
        path = tmp_path / "membox.db"
        shutil.copy(empty_database, path)
        opened = open_database(path)
    else:
        opened = open_postgres(request.getfixturevalue("cleaned_dsn"))
    yield opened
    opened.close()


class TailscaleServe:
    """Stands in for Tailscale Serve before a unix socket, doing what its source does (ipn/ipnlocal/serve.go, 1.94).

    Terminates TLS on 127.0.0.1. Who asks is what a test says of the visitor at `address`: a person of the tailnet with
    a `login`, a tagged device or nobody it knows (no login), or a stranger from the internet by Funnel.
    """

    _DROPPED = frozenset(
        "connection proxy-connection keep-alive te trailer transfer-encoding upgrade host"
        " forwarded x-forwarded-for x-forwarded-host x-forwarded-proto"
        " tailscale-user-login tailscale-user-name tailscale-user-profile-pic tailscale-headers-info"
        " tailscale-funnel-request tailscale-app-capabilities".split()
    )

    def __init__(self, socket_path: Path, certificate: Path) -> None:
        self.address, self.login, self.is_funnel = "100.101.102.103", "", False
        self.answered: list[tuple[str, str, int]] = []
        self._socket_path = socket_path
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        serve = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                self.request = context.wrap_socket(self.request, server_side=True)
                super().setup()

            def forward(self) -> None:
                serve.forward(self)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = forward  # noqa: N815 - http.server's names

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
                pass

        class Listener(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # a browser that hangs up

        self._server = Listener(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def forward(self, asked: BaseHTTPRequestHandler) -> None:
        hop = {name.strip().lower() for name in (asked.headers.get("Connection") or "").split(",")}
        kept = [(name, value) for name, value in asked.headers.items() if name.lower() not in self._DROPPED | hop]
        body = asked.rfile.read(int(asked.headers.get("Content-Length") or 0))
        box = http.client.HTTPConnection("localhost")
        box.sock = socket.socket(socket.AF_UNIX)
        box.sock.connect(str(self._socket_path))
        box.putrequest(asked.command, asked.path, skip_host=True, skip_accept_encoding=True)
        for name, value in [("Host", "localhost"), *kept, *self._said(asked)]:
            box.putheader(name, value)
        box.endheaders(body or None)
        answer = box.getresponse()
        content = answer.read()
        self.answered.append((asked.command, asked.path, answer.status))
        asked.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding"):
                asked.send_header(name, value)
        asked.end_headers()
        asked.wfile.write(content)
        box.close()

    def _said(self, asked: BaseHTTPRequestHandler) -> list[tuple[str, str]]:
        said = [
            ("X-Forwarded-Host", asked.headers.get("Host") or ""),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-For", self.address),
        ]
        if self.is_funnel:
            return [*said, ("Tailscale-Funnel-Request", "?1")]
        if not self.login:
            return said
        return [
            *said,
            ("Tailscale-User-Login", q_encoded(self.login)),
            ("Tailscale-User-Name", q_encoded(self.login.partition("@")[0].title())),
            ("Tailscale-User-Profile-Pic", ""),
            ("Tailscale-Headers-Info", "https://tailscale.com/s/serve-headers"),
        ]


def q_encoded(text: str) -> str:
    """A header's value in RFC 2047's words as Go's mime.QEncoding writes it: 75 characters a word at most."""
    if text.isascii() and text.isprintable():
        return text
    words = [""]
    for character in text:
        plain = " " < character <= "~" and character not in "=?_"
        coded = character if plain else "".join(f"={byte:02X}" for byte in character.encode()).replace("=20", "_")
        if len(words[-1]) + len(coded) > 75 - len("=?utf-8?q??="):
            words.append("")
        words[-1] += coded
    return " ".join(f"=?utf-8?q?{word}?=" for word in words)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for `box.example.ts.net`, which nobody has signed."""
    return self_signed("box.example.ts.net", tmp_path_factory.mktemp("certificate"))


def self_signed(host: str, directory: Path) -> Path:
    """A file with a key and a certificate for `host`, good for a day, which nobody has signed."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path = directory / "both.pem"
    path.write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()) + signed.public_bytes(pem))
    return path


@pytest.fixture(scope="module")
def make_serve(certificate: Path) -> Iterator[Callable[[Path], TailscaleServe]]:
    """Puts a stand-in for Tailscale Serve before a socket."""
    made: list[TailscaleServe] = []

    def make(socket_path: Path) -> TailscaleServe:
        made.append(TailscaleServe(socket_path, certificate))
        return made[-1]

    yield make
    for each in made:
        each.close()
