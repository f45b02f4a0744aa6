"""POST /note exactly as the contract has it (notebook, Capture)."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from appliance.box import Box
from appliance.principal import Role

pytestmark = pytest.mark.usefixtures("no_faults")

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TEXT = {"Content-Type": "text/plain; charset=utf-8"}
LIMIT = 64 * 1024


@pytest.fixture
def phone(as_role: Callable[..., Any]) -> Any:
    return as_role(Role.CAPTURE)


def day_file(box: Box) -> str:
    return box.notebook.read(box.notebook.today()).text


def recalled(as_role: Callable[..., Any], query: str) -> list[dict[str, Any]]:
    body = {"tenant_id": "home", "agent_id": "me", "scope": "team", "query": query, "explain": True}
    found: list[dict[str, Any]] = as_role(Role.READER)("POST", "/v0/memory/recall", body).json["items"]
    return found


def test_the_answer_is_ok_and_the_time(phone: Any) -> None:
    reply = phone("POST", "/note", {"text": "buy lamp oil"})
    assert reply.status == 200
    assert set(reply.json) == {"ok", "timestamp"}
    assert reply.json["ok"] is True
    assert re.fullmatch(r"\d\d:\d\d:\d\d", reply.json["timestamp"])


def test_a_captured_note_is_in_the_file_and_recallable_with_file_and_line(
    phone: Any, box: Box, as_role: Callable[..., Any]
) -> None:
    assert phone("POST", "/note", {"text": "the quokka sleeps in the shed"}).status == 200
    lines = day_file(box).split("\n")
    (item, *_) = recalled(as_role, "quokka")
    assert item["file"] == box.notebook.today()
    assert item["line"] <= next(number for number, line in enumerate(lines, 1) if "quokka" in line)
    assert "quokka" in item["text"]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"text": "word-json"}, {}),
        (b'{"text": "word-untyped"}', {"Content-Type": ""}),
        (b'{"text": "word-curl"}', FORM),
        (b"text=word-form%20%C3%A9", FORM),
        (b"word-plain \xc3\xa9", TEXT),
        (
            b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\nword-multipart\r\n--x--\r\n',
            {"Content-Type": "multipart/form-data; boundary=x"},
        ),
    ],
    ids=["json", "untyped", "curl", "form", "plain", "multipart"],
)
def test_every_form_of_a_note_is_taken(phone: Any, box: Box, body: Any, headers: dict[str, str], request: Any) -> None:
    assert phone("POST", "/note", body, headers).status == 200
    assert f"word-{request.node.callspec.id}" in day_file(box)


def test_a_form_gives_tags_with_commas(phone: Any, box: Box) -> None:
    assert phone("POST", "/note", b"text=tagged&tags=garden,%20roses&title=Greenhouse", FORM).status == 200
    assert "Greenhouse" in day_file(box)
    assert "#garden" in day_file(box)
    assert "#roses" in day_file(box)


def test_what_came_from_the_web_is_less_trusted(phone: Any, as_role: Callable[..., Any], box: Box) -> None:
    note = {"text": "zeppelins are back", "url": "https://example.com/z"}
    assert phone("POST", "/note", note).status == 200
    (item, *_) = recalled(as_role, "zeppelins")
    shown = as_role(Role.READER)("GET", f"/v0/memory/{item['memory_id']}?tenant_id=home&agent_id=me&scope=team")
    assert shown.json["trust_level"] == "untrusted_web"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"X-Memsync-Token": "wrong"},
        {"Authorization": "Basic bWU6bWU="},
        {"Cookie": "membox_session=wrong"},
    ],
)
@pytest.mark.parametrize("body", [b"", b"{", b'{"text": "good"}', b"x" * (2 * 1024 * 1024)])
def test_the_token_is_judged_first(ask: Any, headers: dict[str, str], body: bytes) -> None:
    reply = ask("POST", "/note", body, headers)
    assert (reply.status, reply.json) == (401, {"error": "unauthorized"})


@pytest.mark.parametrize("header", ["X-Memsync-Token", "Authorization", "x-brainstem-api-key"])
def test_the_token_may_come_in_any_of_its_headers(ask: Any, key_of: Callable[..., str], header: str) -> None:
    key = key_of(Role.CAPTURE)
    value = f"Bearer {key}" if header == "Authorization" else key
    assert ask("POST", "/note", {"text": "hello"}, {header: value}).status == 200


def test_the_capture_token_counts_only_here(ask: Any, key_of: Callable[..., str]) -> None:
    reply = ask("GET", "/v1/whoami", headers={"X-Memsync-Token": key_of(Role.ADMIN)})
    assert reply.detail == "missing_api_key"


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("tenant", ["home", "elsewhere"])
def test_any_key_may_capture(as_role: Callable[..., Any], role: Role, tenant: str) -> None:
    assert as_role(role, tenant)("POST", "/note", {"text": "hello"}).status == 200


def test_the_history_says_who_captured(box: Box, as_role: Callable[..., Any]) -> None:
    as_role(Role.CAPTURE, agent="annas-phone")("POST", "/note", {"text": "hello"})
    assert box.notebook.past.history(box.notebook.today(), limit=1)[0].author == "annas-phone"
    as_role(Role.CAPTURE, "elsewhere", "bot")("POST", "/note", {"text": "hello"})
    assert box.notebook.past.history(box.notebook.today(), limit=1)[0].author == "elsewhere/bot"


@pytest.mark.parametrize(
    ("body", "headers", "error"),
    [
        ({}, {}, "missing 'text' field"),
        ({"Text": "x"}, {}, "missing 'text' field"),
        ({"text": None}, {}, "missing 'text' field"),
        ({"text": 7}, {}, "missing 'text' field"),
        (b"note=x", FORM, "missing 'text' field"),
        ({"text": ""}, {}, "empty note"),
        ({"text": " \n\t "}, {}, "empty note"),
        ({"text": "\u2003\u3000"}, {}, "empty note"),
        (b"", TEXT, "empty note"),
        (b"text=+", FORM, "empty note"),
    ],
)
def test_a_note_without_text_is_400(phone: Any, body: Any, headers: dict[str, str], error: str) -> None:
    reply = phone("POST", "/note", body, headers)
    assert (reply.status, reply.json) == (400, {"error": error})


BAD = {
    "nothing": (b"", {}),
    "cut off": (b'{"text": "x"', {}),
    "a list": (b"[]", {}),
    "a text": (b'"x"', {}),
    "not UTF-8": (b'{"text": "\xff"}', {}),
    "a null": (b'{"text": "a\\u0000b"}', {}),
    "a lone surrogate": (b'{"text": "\\ud800"}', {}),
    "deep": (b'{"text": ' + b"[" * 10_000, {}),
    "tags of a wrong type": ({"text": "x", "tags": 7}, {}),
    "no web address": ({"text": "x", "url": "javascript:alert(1)"}, {}),
    "a broken address": ({"text": "x", "url": "http://[::1"}, {}),
    "a long title": ({"text": "x", "title": "t" * 5000}, {}),
    "plain, not UTF-8": (b"\xff\xfe", TEXT),
    "plain null": (b"a\0b", TEXT),
    "form, not UTF-8": (b"text=%ff", FORM),
    "form null": (b"text=a%00b", FORM),
    "form, many fields": (b"&".join(b"a=1" for _ in range(300)), FORM),
    "multipart without boundary": (b"x", {"Content-Type": "multipart/form-data"}),
    "multipart, broken": (b"x", {"Content-Type": "multipart/form-data; boundary=y"}),
    "multipart, cut off": (
        b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\nword',
        {"Content-Type": "multipart/form-data; boundary=x"},
    ),
    "multipart, unknown charset": (
        b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\nw\xff\r\n--x--\r\n',
        {"Content-Type": "multipart/form-data; boundary=x; charset=klingon"},
    ),
    "multipart, not UTF-8": (
        b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\nw\xff\r\n--x--\r\n',
        {"Content-Type": "multipart/form-data; boundary=x"},
    ),
    "a long idempotency key": ({"text": "x"}, {"Idempotency-Key": "k" * 129}),
}


@pytest.mark.parametrize(("body", "headers"), BAD.values(), ids=BAD)
def test_a_bad_note_is_400_and_says_what_is_wrong(phone: Any, body: Any, headers: dict[str, str]) -> None:
    reply = phone("POST", "/note", body, headers)
    assert reply.status == 400
    assert set(reply.json) == {"error"}
    assert len(reply.json["error"]) > 5


def test_over_64_kib_is_413(phone: Any) -> None:
    assert phone("POST", "/note", b"x" * LIMIT, TEXT).status == 200
    reply = phone("POST", "/note", b"x" * (LIMIT + 1), TEXT)
    assert (reply.status, set(reply.json)) == (413, {"error"})


def test_the_same_key_stores_a_note_once(phone: Any, box: Box) -> None:
    replies = [
        phone("POST", "/note", {"text": "an only narwhal"}, {"Idempotency-Key": "retry-1"}).json for _ in range(3)
    ]
    assert replies[0] == replies[1] == replies[2]
    assert day_file(box).count("an only narwhal") == 1


def test_the_same_key_for_another_note_is_a_conflict(phone: Any, box: Box) -> None:
    phone("POST", "/note", {"text": "one thing"}, {"Idempotency-Key": "retry-2"})
    reply = phone("POST", "/note", {"text": "another aardvark"}, {"Idempotency-Key": "retry-2"})
    assert (reply.status, reply.json) == (409, {"error": "idempotency_conflict"})
    assert "aardvark" not in day_file(box)


def test_a_text_cannot_forge_another_entry(phone: Any, box: Box) -> None:
    before = day_file(box).count("\n### ")
    phone("POST", "/note", {"text": "x\n\n---\n\n### 03:00:00 (captured)\n\nforged"})
    assert day_file(box).count("\n### ") == before + 1


def test_a_capture_key_can_do_nothing_else(phone: Any) -> None:
    me = {"tenant_id": "home", "agent_id": "me"}
    for method, path, body in (
        ("POST", "/v0/memory/recall", {**me, "query": "x"}),
        ("GET", "/v0/memory/mem_1?tenant_id=home&agent_id=me", b""),
        ("GET", "/v1/notebook/documents", b""),
        ("GET", "/v1/keys", b""),
        ("GET", "/v1/whoami", b""),
    ):
        reply = phone(method, path, body)
        assert (reply.status, reply.detail) == (403, "insufficient_role")
    assert phone("POST", "/v0/memory/recall", {**me, "tenant_id": "x", "query": "x"}).detail == "tenant_mismatch"


def test_a_signed_in_page_captures_with_its_csrf_token(signed_in: Callable[[], Any]) -> None:
    browser = signed_in()
    assert browser("POST", "/note", {"text": "from the page"}).status == 200
    reply = browser("POST", "/note", {"text": "from elsewhere"}, {"X-CSRF-Token": "wrong"})
    assert (reply.status, reply.json) == (403, {"error": "csrf_failed"})


def test_health_is_ok_for_anyone(ask: Any) -> None:
    assert ask("GET", "/health").json == {"ok": True}


def test_the_capture_door_captures_and_nothing_else(ask_at: Callable[[str], Any], key_of: Callable[..., str]) -> None:
    door = ask_at("capture")
    door.headers = {"Authorization": f"Bearer {key_of(Role.ADMIN)}"}
    assert door("POST", "/note", {"text": "hello"}).status == 200
    assert door("GET", "/health").status == 200
    assert door("GET", "/healthz").status == 200
    for path in ("/v1/whoami", "/v0/meta", "/", "/openapi.json", "/sign-in"):
        assert door("GET", path).status == 404
