"""Requests reach a box over TCP, over its socket and in process; every fault of the way is an error with a sentence."""

import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.client import transport
from appliance.client.in_process import WsgiTransport
from appliance.client.over_http import HttpTransport
from appliance.client.transport import BrokenConnectionError, Reply, Transport, UnixTransport
from appliance.errors import NotConfiguredError, UnavailableError

Answer = Callable[..., bytes]
type Way = tuple[Any, Transport]  # a scripted box, and what reaches it


@pytest.fixture(params=["tcp", "unix"])
def way(request: pytest.FixtureRequest) -> Way:
    if request.param == "tcp":
        box = request.getfixturevalue("tcp_box")
        return box, HttpTransport(box.url, "k")
    box, path = request.getfixturevalue("unix_box")
    return box, UnixTransport(path, lambda: "k")


def test_a_request_arrives_over_tcp_with_its_key_path_and_body(tcp_box: Any, http_answer: Answer) -> None:
    tcp_box.script = [http_answer(200, {"ok": True})]
    reply = HttpTransport(tcp_box.url + "/box/", "mbx_1").send(
        "POST", "/note?x=1", '{"text":"é"}'.encode(), {"A-B": "c"}, 5
    )
    request = tcp_box.received[0]
    assert (reply.status, reply.body) == (200, b'{"ok": true}')
    assert request.line == "POST /box/note?x=1 HTTP/1.1"
    assert request.headers["authorization"] == "Bearer mbx_1"
    assert request.headers["a-b"] == "c"
    assert request.body == b'{"text":"\xc3\xa9"}'


def test_a_request_arrives_over_the_unix_socket(unix_box: Any, http_answer: Answer) -> None:
    box, path = unix_box
    box.script = [http_answer(401, {"detail": "missing_api_key"})]
    reply = UnixTransport(path, lambda: "").send("GET", "/v1/status", None, {}, 5)
    assert reply.status == 401
    assert box.received[0].line == "GET /v1/status HTTP/1.1"
    assert "authorization" not in box.received[0].headers


def test_a_socket_deep_in_the_tree_is_reached_though_its_path_is_too_long_for_an_address(
    listening: Any, http_answer: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("membox.sock")
    box = listening(listener)
    box.script = [http_answer(200, {"ok": True})]
    assert UnixTransport(deep / "membox.sock", lambda: "k").send("GET", "/health", None, {}, 5).status == 200


def test_a_login_waits_for_a_daemon_that_is_started_again_and_not_where_none_ever_ran(
    listening: Any, http_answer: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_seconds: float) -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / "membox.sock"))
        listening(listener).script = [http_answer(200, {"ok": True})]

    monkeypatch.setattr(transport, "time", SimpleNamespace(monotonic=lambda: 0.0, sleep=start))
    login = transport.transport_to(f"unix://{tmp_path}/membox.sock", "k")
    assert login.send("GET", "/health", None, {}, 5).status == 200
    with pytest.raises(UnavailableError, match="Nothing listens"):
        transport.transport_to(f"unix://{tmp_path}/no/membox.sock", "k").send("GET", "/health", None, {}, 5)


def test_a_login_waits_no_longer_than_a_start_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: sum(waited), sleep=waited.append)
    monkeypatch.setattr(transport, "time", clock)
    with pytest.raises(UnavailableError, match="Nothing listens"):
        transport.transport_to(f"unix://{tmp_path}/membox.sock", "k").send("GET", "/health", None, {}, 5)
    assert transport.RESTART_SECONDS <= sum(waited) < transport.RESTART_SECONDS + 1


def test_in_process_the_application_sees_an_ordinary_request_at_the_local_door(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}
    closed: list[str] = []

    class Chunks(list[bytes]):
        def close(self) -> None:
            closed.append("answer")

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        seen.update(environ, body=environ["wsgi.input"].read())
        start_response("201 Created", [("Content-Type", "application/json")])
        return Chunks([b"{}", b" "])

    transport = WsgiTransport(app, tmp_path, lambda: closed.append("box"))
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k"}
    reply = transport.send("PUT", "/v0/memory/%E6%9D%B1?a=1&b=%2F", b"[1]", headers, 5)
    transport.close()
    assert (reply.status, reply.body) == (201, b"{} ")
    assert seen["PATH_INFO"] == "/v0/memory/東".encode().decode("latin-1")
    assert seen["QUERY_STRING"] == "a=1&b=%2F"
    assert (seen["CONTENT_TYPE"], seen["CONTENT_LENGTH"], seen["body"]) == ("application/json", "3", b"[1]")
    assert (seen["HTTP_IDEMPOTENCY_KEY"], seen["membox.door"]) == ("k", "local")
    assert closed == ["answer", "box"]


@pytest.mark.parametrize(
    "url",
    [
        "box:8080",
        "ftp://box",
        "http://",
        "https://user:secret@box",
        "http://box:port",
        "http://box:99999",
        "http://[::1",
        "http://a..b",
        "http://box/a b",
        "http://box/ü",
    ],
)
def test_an_address_that_is_none_is_refused_and_the_setting_named(url: str) -> None:
    with pytest.raises(NotConfiguredError, match="MEMBOX_URL"):
        HttpTransport(url, "k")


@pytest.mark.parametrize("key", ["two words", "kéy", "a\nX-Evil: 1"])
def test_a_key_that_could_not_be_a_header_is_refused(key: str) -> None:
    with pytest.raises(NotConfiguredError, match="MEMBOX_API_KEY"):
        HttpTransport("http://box", key)


def test_nobody_listening_is_said_with_the_address() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(UnavailableError, match=f"Nothing listens at {url}"):
        HttpTransport(url, "k").send("GET", "/healthz", None, {}, 1)


def test_an_unknown_host_is_said() -> None:
    with pytest.raises(UnavailableError, match=r"http://no-such-host\.invalid"):
        HttpTransport("http://no-such-host.invalid", "k").send("GET", "/healthz", None, {}, 1)


def test_a_box_that_stalls_is_given_up_after_the_time_allowed(way: Way) -> None:
    box, transport = way
    box.script = [None]
    with pytest.raises(UnavailableError, match=r"no answer within 0\.2 s"):
        transport.send("GET", "/healthz", None, {}, 0.2)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"])
def test_a_connection_that_ends_before_the_answer_counts_as_broken(way: Way, said: bytes) -> None:
    box, transport = way
    box.script = [said]
    with pytest.raises(BrokenConnectionError):
        transport.send("POST", "/note", b"{}", {}, 5)


def test_a_head_that_ends_before_its_end_counts_as_broken_too(unix_box: Any) -> None:
    box, path = unix_box
    box.script = [b"HTTP/1.1 200 OK\r\nContent-Le"]
    with pytest.raises(BrokenConnectionError):
        UnixTransport(path, lambda: "k").send("POST", "/note", b"{}", {}, 5)


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH_9.9\r\n", b"HTTP/1.1 fine\r\n\r\n"])
def test_something_else_that_answers_is_no_box(way: Way, said: bytes) -> None:
    box, transport = way
    box.script = [said]
    with pytest.raises(UnavailableError, match="does not speak like a box"):
        transport.send("GET", "/healthz", None, {}, 5)


def test_an_answer_whose_length_is_not_said_goes_to_the_end(way: Way) -> None:
    box, transport = way
    box.script = [b"HTTP/1.1 302 Found\r\nLOCATION: /sign-in\r\n\r\nelsewhere"]
    assert transport.send("GET", "/", None, {}, 5) == Reply(302, b"elsewhere", "/sign-in")
