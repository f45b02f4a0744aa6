import http.client
import io
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from appliance.access.keys import make_key
from appliance.box import Box, open_box
from appliance.principal import Role
from appliance.web.app import App, make_app
from appliance.web.endpoint import SOCKET
from appliance.web.server import Server

HOST = "127.0.0.1:8080"


@dataclass(frozen=True)
class Reply:
    """An answer, with its body also as JSON where it is."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def detail(self) -> Any:
        return self.json["detail"]


@dataclass
class Door:
    """Sends requests straight into an application, as a well-behaved server would."""

    app: App
    client: str = "192.0.2.1"
    headers: dict[str, str] = field(default_factory=dict)

    def __call__(
        self, method: str, path: str, body: Any = b"", headers: Mapping[str, str] | None = None, **environ: Any
    ) -> Reply:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        where, _, query = path.partition("?")
        env: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": where,
            "QUERY_STRING": query,
            "CONTENT_LENGTH": str(len(data)),
            "CONTENT_TYPE": "application/json",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "8080",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": self.client,
            "HTTP_HOST": HOST,
            "wsgi.input": io.BytesIO(data),
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "http",
        }
        for name, value in {**self.headers, **(headers or {})}.items():
            wsgi_name = name.upper().replace("-", "_")
            env[wsgi_name if wsgi_name == "CONTENT_TYPE" else f"HTTP_{wsgi_name}"] = value
        env.update(environ)
        status: list[Any] = []
        parts = self.app(env, lambda line, fields, _exc=None: status.extend((line, fields)))
        return Reply(int(status[0].split()[0]), {name.lower(): value for name, value in status[1]}, b"".join(parts))


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    home = Path(tmp_path_factory.mktemp("home"))
    (home / "config.toml").write_text('[tailnet]\nhostname = "box.example.ts.net"\nowners = ["mine@example.com"]\n')
    opened = open_box(home)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def app(box: Box) -> App:
    return make_app(box)


@pytest.fixture
def ask(app: App) -> Door:
    """Somebody without any credential."""
    return Door(app)


@pytest.fixture
def ask_at(box: Box) -> Callable[[str], Door]:
    """The same at another door."""
    return lambda door: Door(make_app(box, door))


@pytest.fixture(scope="module")
def key_of(box: Box) -> Callable[..., str]:
    """The key of an agent of a tenant in a role, made when first asked for."""
    made: dict[tuple[str, str, Role], str] = {}

    def key(role: Role, tenant: str = "home", agent: str = "me") -> str:
        if (tenant, agent, role) not in made:
            made[tenant, agent, role] = box.access.create_key("test", tenant, agent, role).key
        return made[tenant, agent, role]

    return key


@pytest.fixture
def owner_key(box: Box) -> str:
    """The key of the owner's own command line."""
    key = make_key().key
    box.access.accept_owner_key(key)
    return key


@pytest.fixture
def as_role(app: App, key_of: Callable[..., str]) -> Callable[..., Door]:
    """Somebody with a key."""
    return lambda role, tenant="home", agent="me": Door(
        app, headers={"Authorization": f"Bearer {key_of(role, tenant, agent)}"}
    )


@pytest.fixture
def signed_in(app: App, box: Box) -> Callable[[], Door]:
    """A browser that has just signed in, on one of the box's own pages."""

    def sign_in() -> Door:
        session = box.access.sign_in(box.access.create_ticket().ticket, "test")
        headers = {
            "Cookie": f"membox_session={session.token}",
            "X-CSRF-Token": session.csrf_token,
            "Origin": f"http://{HOST}",
        }
        return Door(app, headers=headers)

    return sign_in


@dataclass
class Address:
    """A box that really listens."""

    port: int
    socket_path: Path
    socket_door_port: int  # what is served at the socket alone, where a tool that knows only TCP reaches it

    def connection(self, timeout: float = 30) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        connection = self.connection()
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, fields, answer.read())
        finally:
            connection.close()


@pytest.fixture(scope="module")
def served(box: Box) -> Iterator[Address]:
    server = Server(box)
    path = box.home / "membox.sock"
    port = server.listen("127.0.0.1", 0)
    server.listen_unix(path)
    socket_door_port = server.listen("127.0.0.1", 0, SOCKET)
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield Address(port, path, socket_door_port)
    server.stop()
    thread.join(timeout=15)
    assert not thread.is_alive()


@pytest.fixture
def no_faults(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fails when the box logged a fault of its own."""
    yield
    faults = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert not faults, [record.getMessage() for record in faults]
