"""Messages really arrive, and one that does not is told, never raised."""

import asyncio
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from appliance.config import load_config
from appliance.config_file import set_value
from appliance.errors import NotConfiguredError
from appliance.notify import Notifier, check_address, check_name
from appliance.secrets import Secrets
from tests.conftest import self_signed

PASSWORD = "s3cr3t of the mail"
Notify = tuple[Notifier, Secrets, Callable[[str, str], None]]


@pytest.fixture
def made(tmp_path: Path) -> Notify:
    secrets = Secrets(tmp_path)
    notifier = Notifier(
        lambda: load_config(tmp_path), secrets, tmp_path, lambda: datetime(2026, 11, 20, 12, tzinfo=UTC)
    )
    set_value(tmp_path, "core.timezone", "Europe/Berlin")

    def set_key(key: str, value: str) -> None:
        set_value(tmp_path, key, value)

    return notifier, secrets, set_key


@pytest.fixture(scope="module")
def localhost(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for localhost, which nobody has signed."""
    return self_signed("localhost", tmp_path_factory.mktemp("certificate"))


class Inbox:
    """What a mail server received."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.mails.append(envelope)
        return "250 OK"


class MailServer(Controller):
    """Listens on a port that is free."""

    server: asyncio.Server

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # aiosmtpd has no types there


@pytest.fixture
def serve_mail(localhost: Path) -> Iterator[Callable[..., tuple[Inbox, int]]]:
    """A real mail server on localhost, with STARTTLS or without."""
    running: list[Controller] = []

    def serve(has_tls: bool = True) -> tuple[Inbox, int]:
        inbox, context = Inbox(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(localhost)

        def login(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
            is_right = isinstance(given, LoginPassword) and given.password == PASSWORD.encode()
            return AuthResult(success=is_right, handled=False)

        tls: dict[str, Any] = {"tls_context": context, "require_starttls": True, "authenticator": login}
        tls["auth_exclude_mechanism"] = ["PLAIN"]  # one try is enough
        controller = MailServer(inbox, hostname="127.0.0.1", port=0, **(tls if has_tls else {}))
        controller.start()
        running.append(controller)
        return inbox, controller.port

    yield serve
    for each in running:
        each.stop()


def set_mail(made: Notify, port: int) -> None:
    _, secrets, set_key = made
    secrets.set("digest-smtp-password", PASSWORD)
    for key, value in {
        "to": "me@example.com",
        "from": "mine@example.com",
    }.items():
        set_key(f"daemon.digest_email_{key}", value)
    set_key("daemon.digest_smtp_host", "localhost")
    set_key("daemon.digest_smtp_port", str(port))
    set_key("daemon.digest_smtp_user", "me")


@pytest.fixture
def trusted(localhost: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(localhost))


@pytest.mark.usefixtures("trusted")
def test_a_mail_is_received_over_starttls_with_sign_in(made: Notify, serve_mail: Any) -> None:
    inbox, port = serve_mail()
    set_mail(made, port)
    assert made[0].send("The copy is old ✓", "It is of Monday.", link="https://box.example.ts.net/", target="email")
    (mail,) = inbox.mails
    assert mail.rcpt_tos == ["me@example.com"]
    message = message_from_bytes(mail.content)
    body = message.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert body.decode().split() == ["It", "is", "of", "Monday.", "https://box.example.ts.net/"]
    assert message.get_content_type() == "text/plain"
    assert [target.failure for target in made[0].targets() if target.name == "email"] == [None]


def test_no_mail_goes_where_starttls_is_not_offered(made: Notify, serve_mail: Any) -> None:
    inbox, port = serve_mail(has_tls=False)
    set_mail(made, port)
    assert not made[0].send("A title", "A text.", target="email")
    assert inbox.mails == []


def test_no_mail_goes_to_one_whose_certificate_nobody_signed(made: Notify, serve_mail: Any) -> None:
    inbox, port = serve_mail()
    set_mail(made, port)
    assert not made[0].send("A title", "A text.", target="email")
    assert inbox.mails == []


@pytest.mark.usefixtures("trusted")
def test_a_wrong_password_is_told_without_it(made: Notify, serve_mail: Any, caplog: pytest.LogCaptureFixture) -> None:
    inbox, port = serve_mail()
    set_mail(made, port)
    made[1].set("digest-smtp-password", "wr0ng-password")
    assert not made[0].send("A title", "A text.", target="email")
    assert inbox.mails == []
    failure = next(target.failure for target in made[0].targets() if target.name == "email")
    assert failure is not None
    assert failure.why
    assert "wr0ng" not in caplog.text + failure.why
    assert "A text." in caplog.text  # what could not be sent is not lost


@pytest.fixture
def push() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A local server that takes pushes as ntfy does."""
    got: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"id": "1"}')

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}", got
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_push_is_received(made: Notify, push: tuple[str, list[tuple[str, bytes]]]) -> None:
    where, got = push
    made[1].set("notify-phone", f"ntfy://{where}/my-topic")
    made[2]("daemon.drift_notify", "phone")
    assert made[0].send("Drift", "CLAUDE.md differs.")
    ((_, body),) = got
    told = json.loads(body)
    assert (told["topic"], told["title"], told["message"]) == ("my-topic", "Drift", "CLAUDE.md differs.")


def test_each_alert_is_a_file_of_its_own(made: Notify, tmp_path: Path) -> None:
    for text in ("one", "two", "three"):
        assert made[0].send("Drift: ../../etc", text, target="file")
    files = sorted((tmp_path / "alerts").iterdir())
    assert [file.name for file in files] == [
        "2026-11-20T130000-drift-etc-2.txt",
        "2026-11-20T130000-drift-etc-3.txt",
        "2026-11-20T130000-drift-etc.txt",
    ]
    assert {file.read_text().split()[-1] for file in files} == {"one", "two", "three"}


def test_without_any_setting_it_is_logged(made: Notify, caplog: pytest.LogCaptureFixture) -> None:
    assert made[0].send("Drift", "CLAUDE.md differs.")
    assert "Drift: CLAUDE.md differs." in caplog.text


@pytest.mark.parametrize("target", ["nobody", "email", "No Name"])
def test_a_target_that_is_not_set_up_is_told_and_never_raised(made: Notify, target: str) -> None:
    assert not made[0].send("A title", "A text.", target=target)


def test_a_failure_is_forgotten_with_the_next_success(made: Notify, push: tuple[str, Any]) -> None:
    made[1].set("notify-phone", "ntfy://127.0.0.1:9/my-topic")
    assert not made[0].send("A title", "A text.", target="phone")
    assert next(target for target in made[0].targets() if target.name == "phone").failure
    made[1].set("notify-phone", f"ntfy://{push[0]}/my-topic")
    assert made[0].send("A title", "A text.", target="phone")
    assert next(target for target in made[0].targets() if target.name == "phone").failure is None


def test_nothing_is_raised_when_nothing_can_be_written(made: Notify, tmp_path: Path) -> None:
    (tmp_path / "alerts").write_text("in the way")
    assert not made[0].send("A title", "A text.", target="file")
    (tmp_path / "config.toml").write_text("no toml at all [")
    assert not made[0].send("A title", "A text.")


@pytest.mark.parametrize("name", ["log", "email", "file", "", "A b", "../x"])
def test_a_name_that_cannot_be_a_targets_is_refused(name: str) -> None:
    with pytest.raises(NotConfiguredError):
        check_name(name)


@pytest.mark.parametrize("address", ["", "ntfy.sh/topic", "ntfy://", "ntfy://a b"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(NotConfiguredError):
        check_address(address)
