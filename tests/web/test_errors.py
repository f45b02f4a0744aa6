"""Every error is the contract's (memory-api, Errors): the first fault wins, in JSON, never a 500."""

import json
import logging
import os
from collections.abc import Callable
from typing import Any

import pytest

from appliance.box import Box
from appliance.errors import StorageFullError, UnavailableError
from appliance.principal import Role

pytestmark = pytest.mark.usefixtures("no_faults")

REMEMBER, RECALL = "/v0/memory/remember", "/v0/memory/recall"
ME = {"tenant_id": "home", "agent_id": "me"}
ITEM = {"type": "fact", "text": "the kettle is blue"}
GOOD = {**ME, "items": [ITEM]}


@pytest.fixture
def writer(as_role: Callable[..., Any]) -> Any:
    return as_role(Role.WRITER)


def types_at(reply: Any, *loc: Any) -> list[str]:
    return [fault["type"] for fault in reply.detail if fault["loc"] == list(loc)]


def test_the_good_request_is_good(writer: Any) -> None:
    assert writer("POST", REMEMBER, GOOD).status == 200


def test_size_comes_before_the_key(ask: Any) -> None:
    reply = ask("POST", REMEMBER, b"x" * (1024 * 1024 + 1))
    assert (reply.status, reply.detail) == (413, "body_too_large")


def test_a_body_of_exactly_the_limit_is_read(writer: Any) -> None:
    assert writer("POST", REMEMBER, b"x" * (1024 * 1024)).status == 422


def test_the_size_is_judged_by_what_is_announced_without_reading(ask: Any) -> None:
    class Unreadable:
        def read(self, *_: Any) -> bytes:
            raise AssertionError("the body was read")

    reply = ask("POST", REMEMBER, CONTENT_LENGTH=str(2**40), **{"wsgi.input": Unreadable()})
    assert reply.status == 413


def test_the_key_comes_before_the_body(ask: Any) -> None:
    class Unreadable:
        def read(self, *_: Any) -> bytes:
            raise AssertionError("the body was read")

    missing = ask("POST", REMEMBER, CONTENT_LENGTH="7", **{"wsgi.input": Unreadable()})
    assert (missing.status, missing.detail) == (401, "missing_api_key")
    wrong = ask(
        "POST", REMEMBER, headers={"Authorization": "Bearer x"}, CONTENT_LENGTH="7", **{"wsgi.input": Unreadable()}
    )
    assert (wrong.status, wrong.detail) == (401, "invalid_api_key")
    assert wrong.headers["www-authenticate"] == "Bearer"


def test_json_comes_before_fields_and_fields_before_permission(as_role: Callable[..., Any]) -> None:
    reader = as_role(Role.READER)
    broken = reader("POST", REMEMBER, b'{"tenant_id": "elsewhere"')
    assert (broken.status, types_at(broken, "body")) == (422, ["json_invalid"])
    bad_field = reader("POST", REMEMBER, {"tenant_id": "elsewhere", "agent_id": "you", "items": []})
    assert (bad_field.status, types_at(bad_field, "body", "items")) == (422, ["too_short"])


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"tenant_id": "elsewhere", "agent_id": "you", "scope": "global"}, "tenant_mismatch"),
        ({"agent_id": "you", "scope": "global"}, "agent_mismatch"),
        ({"scope": "global"}, "insufficient_role"),
    ],
)
def test_permissions_are_refused_in_order(as_role: Callable[..., Any], changes: dict[str, str], word: str) -> None:
    reply = as_role(Role.READER)("POST", REMEMBER, {**GOOD, **changes})
    assert (reply.status, reply.detail) == (403, word)


def test_a_writer_may_not_write_for_everyone(writer: Any) -> None:
    reply = writer("POST", REMEMBER, {**GOOD, "scope": "global"})
    assert (reply.status, reply.detail) == (403, "global_scope_requires_admin")


def test_permission_comes_before_existence(as_role: Callable[..., Any]) -> None:
    reply = as_role(Role.READER)("DELETE", "/v0/memory/mem_none", ME)
    assert (reply.status, reply.detail) == (403, "insufficient_role")
    assert as_role(Role.WRITER)("DELETE", "/v0/memory/mem_none", ME).detail == "memory_not_found"


MALFORMED = {
    "nothing": b"",
    "no object": b"[]",
    "null": b"null",
    "cut off": json.dumps(GOOD).encode()[:-1],
    "more after it": json.dumps(GOOD).encode() + b"{}",
    "not UTF-8": b'{"tenant_id": "\xff"}',
    "UTF-16": json.dumps(GOOD).encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps(GOOD).encode(),
    "a surrogate's bytes": b'{"tenant_id": "\xed\xa0\x80"}',
    "very deep": b'{"x":' + b"[" * 300_000,
    "very deep and closed": b'{"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a huge number": b'{"x": ' + b"9" * 100_000 + b"}",
    "NaN": json.dumps({**GOOD, "x": float("nan")}).encode(),
    "Infinity": json.dumps({**GOOD, "x": float("inf")}).encode(),
    "-Infinity": json.dumps({**GOOD, "x": -float("inf")}).encode(),
    "a raw control character": b'{"tenant_id": "a\nb"}',
    "a raw null": b'{"tenant_id": "a\x00b"}',
    "a form": b"tenant_id=home&agent_id=me",
    "single quotes": b"{'tenant_id': 'home'}",
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_malformed_json_is_422_with_a_list(writer: Any, body: bytes) -> None:
    reply = writer("POST", REMEMBER, body)
    assert reply.status == 422
    for fault in reply.detail:
        assert set(fault) == {"loc", "msg", "type"}
        assert fault["loc"][0] == "body"


UNSTORABLE = {
    "null in a text": {**GOOD, "items": [{**ITEM, "text": "a\0b"}]},
    "null in a name": {**GOOD, "agent_id": "me\0"},
    "null in an unknown field": {**GOOD, "more": {"deep": ["\0"]}},
    "null in an unknown name": {**GOOD, "mo\0re": 1},
    "lone surrogate in a text": {**GOOD, "items": [{**ITEM, "text": "a\ud800b"}]},
    "lone low surrogate": {**GOOD, "items": [{**ITEM, "text": "\udfff"}]},
    "lone surrogate in an unknown field": {**GOOD, "more": "\ud83d"},
}


@pytest.mark.parametrize("body", UNSTORABLE.values(), ids=UNSTORABLE)
def test_what_no_database_can_store_is_422(writer: Any, body: Any) -> None:
    assert writer("POST", REMEMBER, body).status == 422


STORABLE = ["\\u0000 written out", "😀", "\x01\x08", "NaN and Infinity", "\ufeff", "\uffff\ufffe", "\r\n\t", "\u202e"]


@pytest.mark.parametrize("text", STORABLE)
def test_what_only_looks_like_it_is_stored_as_it_is(writer: Any, text: str) -> None:
    reply = writer("POST", REMEMBER, {**GOOD, "items": [{**ITEM, "text": f"word {text} end"}]})
    assert reply.status == 200
    memory_id = reply.json["memory_ids"][0]
    shown = writer("GET", f"/v0/memory/{memory_id}?tenant_id=home&agent_id=me")
    assert shown.json["text"] == f"word {text} end"


def test_of_a_name_given_twice_the_last_counts(writer: Any) -> None:
    body = b'{"tenant_id": "elsewhere", "tenant_id": "home", "agent_id": "me", "query": "kettle"}'
    assert writer("POST", RECALL, body).status == 200


def test_unknown_fields_are_ignored(writer: Any) -> None:
    assert writer("POST", RECALL, {**ME, "query": "kettle", "unheard_of": {"a": [1]}}).status == 200


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/xml", "a/b; charset=\x7f", "application/json"])
def test_the_content_type_does_not_matter_to_json(writer: Any, content_type: str) -> None:
    reply = writer("POST", RECALL, {**ME, "query": "kettle"}, headers={"Content-Type": content_type})
    assert reply.status == 200


BAD_QUERIES = {
    "missing": "agent_id=me",
    "empty": "tenant_id=&agent_id=me",
    "too long": f"tenant_id={'x' * 129}&agent_id=me",
    "null": "tenant_id=home%00&agent_id=me",
    "null in an unknown field": "tenant_id=home&agent_id=me&x=%00",
    "not UTF-8": "tenant_id=home&agent_id=%ff",
    "a surrogate's bytes": "tenant_id=home&agent_id=%ed%a0%80",
    "unknown word": "tenant_id=home&agent_id=me&scope=galaxy",
    "too many": "&".join(f"a{number}=1" for number in range(200)),
}


@pytest.mark.parametrize("query", BAD_QUERIES.values(), ids=BAD_QUERIES)
def test_a_bad_query_is_422_with_a_list(writer: Any, query: str) -> None:
    reply = writer("GET", f"/v0/memory/mem_x?{query}")
    assert reply.status == 422
    assert {"loc", "msg", "type"} == set(reply.detail[0])
    assert reply.detail[0]["loc"][0] == "query"


def test_a_422_does_not_repeat_what_was_sent(writer: Any) -> None:
    reply = writer("POST", REMEMBER, {**GOOD, "scope": "s3cret-words"})
    assert b"s3cret-words" not in reply.body


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/v0",
        "/v0/memory/",
        "/v0/memory/a/b",
        "/v0/../etc/passwd",
        "//healthz",
        "/healthz/",
        "/HEALTHZ",
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static//etc/passwd",
        "/static/",
        "",
        "*",
        "/\n",
        "/\0",
        "/\xff\xfe",
        "/healthz\xff",
        "/" + "x" * 10_000,
        "/%",
        "/<script>",
    ],
)
def test_what_is_not_there_is_a_404_in_json(ask: Any, path: str) -> None:
    reply = ask("GET", path)
    assert (reply.status, reply.json) == (404, {"detail": "not_found"}) if path else reply.status in (303, 404)
    assert reply.headers["content-type"] == "application/json" or not path


@pytest.mark.parametrize(
    "memory_id", ["\xff", "\xc3\xa9", "mem_" + "x" * 5000, "%00", "'; DROP TABLE memory_items; --"]
)
def test_an_odd_id_names_nothing(writer: Any, memory_id: str) -> None:
    reply = writer("GET", f"/v0/memory/{memory_id}", QUERY_STRING="tenant_id=home&agent_id=me")
    assert (reply.status, reply.detail) == (404, "memory_not_found")


def test_a_null_in_an_id_is_422(writer: Any) -> None:
    assert writer("GET", "/v0/memory/mem\0?tenant_id=home&agent_id=me").status == 422


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", RECALL, "POST"),
        ("DELETE", RECALL, "POST"),
        ("GET", REMEMBER, "POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("PATCH", "/v0/memory/mem_1", "DELETE, GET, HEAD"),
        ("POST", "/v0/memory/mem_1", "DELETE, GET, HEAD"),
        ("GET", "/note", "POST"),
        ("OPTIONS", "/note", "POST"),
        ("TRACE", "/note", "POST"),
        ("PROPFIND", "/v0/memory/mem_1", "DELETE, GET, HEAD"),
        ("PROXY", "/note", "POST"),
        ("ANY", "/note", "POST"),
        ("CONNECT", "/healthz", "GET, HEAD"),
    ],
)
def test_a_known_word_with_another_method_is_405_and_says_which(ask: Any, method: str, path: str, allow: str) -> None:
    reply = ask(method, path)
    assert (reply.status, reply.headers["allow"]) == (405, allow)
    assert reply.json == {"detail": "method_not_allowed"}


def test_head_is_get_without_its_body(ask: Any) -> None:
    head, get = ask("HEAD", "/healthz"), ask("GET", "/healthz")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


@pytest.mark.parametrize("length", ["-1", "1e3", "abc", "١", "9" * 5000, "1 2"])
def test_a_length_that_is_none_is_answered(writer: Any, length: str) -> None:
    assert writer("POST", REMEMBER, CONTENT_LENGTH=length).status in (413, 422)


def test_a_full_disk_is_507(writer: Any, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise StorageFullError("disk_full", "The disk is full.")

    monkeypatch.setattr(type(box.memory), "remember", full)
    reply = writer("POST", REMEMBER, GOOD)
    assert (reply.status, reply.json) == (507, {"detail": "disk_full"})


def test_a_closing_box_says_when_to_come_back(writer: Any, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def closing(*_: Any) -> None:
        raise UnavailableError("closing", "The box is closing.")

    monkeypatch.setattr(type(box.memory), "recall", closing)
    reply = writer("POST", RECALL, {**ME, "query": "kettle"})
    assert (reply.status, reply.json) == (503, {"detail": "closing"})
    assert int(reply.headers["retry-after"]) > 0


def test_a_fault_of_ours_is_logged_whole_and_told_without_its_inside(
    writer: Any, box: Box, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("inner words")

    monkeypatch.setattr(type(box.memory), "recall", broken)
    reply = writer("POST", RECALL, {**ME, "query": "kettle"})
    assert (reply.status, reply.json) == (500, {"detail": "internal_error"})
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info is not None
    assert "inner words" in str(record.exc_info[1])
    caplog.clear()


def test_every_answer_carries_its_security_headers(ask: Any, writer: Any) -> None:
    for reply in (ask("GET", "/healthz"), ask("GET", "/nothing"), ask("PUT", "/note"), writer("POST", RECALL, b"")):
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["content-security-policy"].startswith("default-src 'none'")


def test_the_word_of_ours_comes_with_a_sentence_and_the_memory_apis_does_not(as_role: Callable[..., Any]) -> None:
    admin = as_role(Role.ADMIN)
    assert set(admin("DELETE", "/v1/keys/nothing1").json) == {"detail", "message"}
    assert set(admin("DELETE", "/v0/memory/nothing", ME).json) == {"detail"}


def test_random_bytes_are_never_our_fault(writer: Any) -> None:
    for size in (1, 10, 1000, 65_536):
        assert writer("POST", REMEMBER, os.urandom(size)).status == 422
