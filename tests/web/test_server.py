"""The listeners: what a real server answers to what no well-behaved client sends."""

import http.client
import json
import os
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.box import Box
from appliance.errors import NotConfiguredError
from appliance.principal import Role
from appliance.web.server import Server

pytestmark = pytest.mark.usefixtures("no_faults")


def raw(port: int, data: bytes) -> tuple[int, dict[str, str], bytes]:
    """The answer to these very bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(data)
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


GARBLED = {
    "no HTTP": (b"hello\r\n\r\n", 400),
    "a bare line feed": (b"GET /healthz HTTP/1.1\nHost: x\n\n\r\n\r\n", 400),
    "a lower-case method": (b"get /healthz HTTP/1.1\r\n\r\n", 400),
    "a bad header": (b"GET /healthz HTTP/1.1\r\nno colon\r\n\r\n", 400),
    "a null in a header": (b"GET /healthz HTTP/1.1\r\nX: a\0b\r\n\r\n", 400),
    "a folded first header": (b"GET /healthz HTTP/1.1\r\n folded\r\n\r\n", 400),
    "a negative length": (b"POST /note HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
    "no length": (b"POST /healthz HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
    "two lengths": (b"POST /healthz HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400),
    "an endless length": (b"POST /healthz HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
    "an address no parser takes": (b"GET http://[::1/ HTTP/1.1\r\n\r\n", 400),
    "an unknown transfer coding": (b"POST /healthz HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    "a bad chunk": (b"POST /healthz HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    "long headers": (b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
    "a long address": (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 431),
    "a length far beyond the limit": (b"POST /healthz HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
}


@pytest.mark.parametrize(("data", "status"), GARBLED.values(), ids=GARBLED)
def test_a_garbled_request_is_answered_in_json(served: Any, data: bytes, status: int) -> None:
    got, headers, body = raw(served.port, data)
    assert got == status
    assert headers["content-type"] == "application/json"
    assert set(json.loads(body)) <= {"detail", "error"}
    assert served.ask("GET", "/healthz").status == 200


def test_the_note_door_answers_garbled_requests_in_its_own_form(served: Any) -> None:
    _, _, body = raw(served.port, b"POST /note HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n")
    assert json.loads(body) == {"error": "body_too_large"}


@pytest.mark.parametrize("mebibytes", [2, 9, 40])
def test_a_body_too_large_gets_a_clean_answer(served: Any, key_of: Callable[..., str], mebibytes: int) -> None:
    headers = {"Authorization": f"Bearer {key_of(Role.WRITER)}"}
    reply = served.ask("POST", "/v0/memory/remember", b"x" * (mebibytes * 1024 * 1024), headers)
    assert (reply.status, reply.detail) == (413, "body_too_large")


def test_who_asks_before_sending_too_much_is_spared_it(served: Any) -> None:
    request = b"POST /note HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 20000000\r\n\r\n"
    assert raw(served.port, request)[0] == 413


def test_a_chunked_body_is_read_and_measured(served: Any, key_of: Callable[..., str]) -> None:
    head = (
        b"POST /v0/memory/recall HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
        + f"Authorization: Bearer {key_of(Role.READER)}\r\n\r\n".encode()
    )
    body = json.dumps({"tenant_id": "home", "agent_id": "me", "query": "kettle"}).encode()
    half = len(body) // 2
    parts = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:]))
    assert raw(served.port, head + parts + b"0\r\n\r\n")[0] == 200
    chunk = b"%x\r\n%s\r\n" % (2 * 1024 * 1024, b"x" * 2 * 1024 * 1024)
    assert raw(served.port, head + chunk + b"0\r\n\r\n")[0] == 413


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"/healthz?x=%ff%00&&;==", 200),
        (b"/%68ealthz", 200),
        (b"//healthz", 200),
        (b"http://elsewhere.example/healthz", 200),
        (b"/healthz%ff", 404),
        (b"/healthz%00", 404),
        (b"/healthz%0d%0aX-Injected:%201", 404),
        (b"/%2e%2e/healthz", 404),
        (b"/static/%2e%2e/app.py", 404),
        (b"/static/..%5capp.py", 404),
        (b"/healthz\xff", 400),
        (b"/%zz", 404),
        (b"*", 404),
    ],
)
def test_odd_targets_are_answered(served: Any, target: bytes, status: int) -> None:
    got, headers, _ = raw(served.port, b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert got == status
    assert "x-injected" not in headers


def test_a_known_word_in_the_place_of_an_id_is_405_here_too(served: Any) -> None:
    reply = served.ask("GET", "/v0/memory/recall")
    assert (reply.status, reply.headers["allow"], reply.detail) == (405, "POST", "method_not_allowed")


def test_the_server_does_not_say_what_it_is(served: Any) -> None:
    assert "server" not in served.ask("GET", "/healthz").headers


def test_an_old_client_is_served(served: Any) -> None:
    assert raw(served.port, b"GET /healthz HTTP/1.0\r\n\r\n")[0] == 200


def test_requests_follow_each_other_on_one_connection(served: Any) -> None:
    connection = served.connection()
    for _ in range(3):
        connection.request("GET", "/healthz")
        assert connection.getresponse().read()
    sock = connection.sock
    connection.request("GET", "/nothing")
    assert connection.getresponse().read()
    assert connection.sock is sock
    connection.close()


def test_the_socket_is_for_its_group_and_asks_for_keys(served: Any, key_of: Callable[..., str]) -> None:
    assert stat.S_IMODE(os.stat(served.socket_path).st_mode) == 0o660
    request = b"GET /v1/whoami HTTP/1.0\r\n%s\r\n"
    for header, status in ((b"", b"401"), (f"Authorization: Bearer {key_of(Role.READER)}\r\n".encode(), b"200")):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(served.socket_path))
            sock.sendall(request % header)
            assert sock.makefile("rb").readline().split()[1] == status


def test_a_link_made_through_the_socket_leads_to_the_web_listener(served: Any, box: Box) -> None:
    box.access.accept_owner_key("the-owners")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(served.socket_path))
        sock.sendall(b"POST /v1/login-link HTTP/1.0\r\nAuthorization: Bearer the-owners\r\n\r\n")
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        assert json.loads(answer.read())["url"].startswith(f"http://127.0.0.1:{served.port}/sign-in#ticket=")


def test_a_taken_port_names_the_key_to_change(box: Box, served: Any) -> None:
    with pytest.raises(NotConfiguredError, match=r"daemon\.web_ui_port") as raised:
        Server(box).listen("127.0.0.1", served.port)
    assert raised.value.word == "port_in_use"
    with pytest.raises(NotConfiguredError, match=r"daemon\.capture_port"):
        Server(box).listen("127.0.0.1", served.port, "capture")


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_machine_says_so(box: Box, host: str) -> None:
    with pytest.raises(NotConfiguredError, match=r"daemon\.web_ui_host"):
        Server(box).listen(host, 0)


def test_the_socket_of_a_killed_daemon_is_in_nobodys_way(box: Box, tmp_path: Path) -> None:
    path = tmp_path / "membox.sock"
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(path))
    server = Server(box)
    server.listen_unix(path)
    server.stop()
    server.serve()
    assert not path.exists()


def test_a_home_with_a_long_path_has_a_socket_too(box: Box, tmp_path: Path) -> None:
    folder = tmp_path / ("long-" * 30)
    folder.mkdir()
    server = Server(box)
    server.listen_unix(folder / "membox.sock")
    assert stat.S_ISSOCK((folder / "membox.sock").stat().st_mode)
    server.stop()
    server.serve()


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionError:
        return False
    return True


def test_stopping_finishes_the_request_at_work(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    at_work, go_on = threading.Event(), threading.Event()
    size = box.database.size

    def slow() -> int:
        at_work.set()
        assert go_on.wait(10)
        return size()

    import appliance.web.meta as meta

    monkeypatch.setattr(meta, "iso", lambda _: (slow(), "then")[1])
    server = Server(box)
    port = server.listen("127.0.0.1", 0)
    serving = threading.Thread(target=server.serve)
    serving.start()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/v0/meta")
    assert at_work.wait(10)
    server.stop()
    while accepts(port):
        pass  # until the listener is closed, and the box waits for this request only
    go_on.set()
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["generated_at"]) == (200, "then")
    serving.join(timeout=15)
    assert not serving.is_alive()
    assert not accepts(port)


def test_a_capture_listener_only_captures(box: Box, key_of: Callable[..., str]) -> None:
    server = Server(box)
    port = server.listen("127.0.0.1", 0, "capture")
    serving = threading.Thread(target=server.serve)
    serving.start()
    try:
        token = f"X-Memsync-Token: {key_of(Role.CAPTURE)}\r\n".encode()
        body = b'{"text": "hello"}'
        note = b"POST /note HTTP/1.0\r\n%sContent-Length: %d\r\n\r\n%s" % (token, len(body), body)
        assert raw(port, note)[0] == 200
        assert raw(port, b"GET /v0/meta HTTP/1.0\r\n\r\n")[0] == 404
    finally:
        server.stop()
        serving.join(timeout=15)


def test_it_can_be_told_to_stop_while_it_stops_and_after(box: Box) -> None:
    for _ in range(20):
        server = Server(box)
        server.listen("127.0.0.1", 0)
        serving = threading.Thread(target=server.serve)
        serving.start()
        tellers = [threading.Thread(target=server.stop) for _ in range(3)]
        for teller in tellers:
            teller.start()
        for thread in (*tellers, serving):
            thread.join(30)
        assert not serving.is_alive()
        server.stop()
