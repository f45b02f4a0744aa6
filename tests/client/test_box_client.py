"""The client repeats only what is safe to repeat, and reads a refusal back into the error it was."""

from collections.abc import Callable
from typing import Any

import pytest

from appliance.client.box_client import BoxClient
from appliance.client.over_http import HttpTransport
from appliance.client.refusals import refusal
from appliance.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    MemboxError,
    NotConfiguredError,
    NotFoundError,
    StorageError,
    StorageFullError,
    TooLargeError,
    TooManyError,
    UnauthorizedError,
    UnavailableError,
)

Answer = Callable[..., bytes]
BREAK = b""


@pytest.fixture
def client(tcp_box: Any) -> BoxClient:
    return BoxClient(HttpTransport(tcp_box.url, "k"))


def test_a_note_is_sent_again_under_the_same_key_when_the_connection_breaks(
    client: BoxClient, tcp_box: Any, http_answer: Answer
) -> None:
    tcp_box.script = [BREAK, http_answer(200, {"ok": True, "timestamp": "08:00:00"})]
    assert client.note({"text": "hi"})["timestamp"] == "08:00:00"
    first, second = tcp_box.received
    assert first.body == second.body
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] != ""


def test_two_notes_have_two_keys(client: BoxClient, tcp_box: Any, http_answer: Answer) -> None:
    tcp_box.script = [http_answer(200, {"ok": True}), http_answer(200, {"ok": True})]
    client.note({"text": "same"})
    client.note({"text": "same"})
    first, second = tcp_box.received
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]


def test_a_connection_that_breaks_twice_is_told(client: BoxClient, tcp_box: Any) -> None:
    tcp_box.script = [BREAK, BREAK]
    with pytest.raises(UnavailableError, match="broke"):
        client.note({"text": "hi"})
    assert len(tcp_box.received) == 2


def test_remembering_carries_an_idempotency_key_and_keeps_one_that_was_given(
    client: BoxClient, tcp_box: Any, http_answer: Answer
) -> None:
    tcp_box.script = [BREAK, http_answer(200, {}), http_answer(200, {})]
    client.remember({"items": []})
    client.remember({"items": [], "idempotency_key": "mine"})
    keys = [request.json["idempotency_key"] for request in tcp_box.received]
    assert keys[0] == keys[1] != ""
    assert keys[2] == "mine"


def test_what_may_not_happen_twice_is_not_sent_twice(client: BoxClient, tcp_box: Any) -> None:
    tcp_box.script = [BREAK]
    with pytest.raises(UnavailableError, match="broke"):
        client.post("/v1/keys", {"name": "phone"})
    assert len(tcp_box.received) == 1


def test_query_fields_are_encoded_and_absent_ones_left_out(
    client: BoxClient, tcp_box: Any, http_answer: Answer
) -> None:
    tcp_box.script = [http_answer(200, {"text": ""})]
    client.get("/v1/notebook/history", path="a b/ü&.md", before=None)
    assert tcp_box.received[0].line == "GET /v1/notebook/history?path=a+b%2F%C3%BC%26.md HTTP/1.1"


def test_who_we_are_is_asked_once(client: BoxClient, tcp_box: Any, http_answer: Answer) -> None:
    tcp_box.script = [http_answer(200, {"tenant_id": "home", "agent_id": "owner", "role": "admin", "owner": True})]
    assert client.speaker() == {"tenant_id": "home", "agent_id": "owner"}
    assert client.speaker("claude") == {"tenant_id": "home", "agent_id": "claude"}


def test_an_answer_that_is_no_json_object_is_no_box(client: BoxClient, tcp_box: Any, http_answer: Answer) -> None:
    tcp_box.script = [http_answer(200, b"<html>"), http_answer(200, b"[]")]
    for _ in range(2):
        with pytest.raises(UnavailableError, match="is no box"):
            client.get("/healthz")


def test_a_redirect_says_where_the_box_is(client: BoxClient, tcp_box: Any, http_answer: Answer) -> None:
    tcp_box.script = [http_answer(301, b"", "Location: https://box.example/healthz")]
    with pytest.raises(UnavailableError, match=r"https://box\.example/healthz"):
        client.get("/healthz")


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (400, {"error": "empty note"}, InvalidError, "empty"),
        (401, {"detail": "invalid_api_key"}, UnauthorizedError, "membox key create"),
        (401, {"error": "unauthorized"}, UnauthorizedError, "membox key create"),
        (403, {"detail": "insufficient_role"}, ForbiddenError, "role"),
        (404, {"detail": "memory_not_found"}, NotFoundError, "no memory item"),
        (404, {"detail": "never_heard_of"}, NotFoundError, "never_heard_of"),
        (409, {"detail": "edit_conflict", "conflict": {"merged": "x"}}, ConflictError, "changed in the meantime"),
        (413, {"detail": "body_too_large"}, TooLargeError, "send less"),
        (422, {"detail": "malformed_json"}, InvalidError, "malformed_json"),
        (429, {"detail": "too_many"}, TooManyError, "wait a minute"),
        (500, {"detail": "internal_error"}, StorageError, "membox daemon logs"),
        (503, {"detail": "stopping"}, UnavailableError, "try again"),
        (507, {"detail": "disk_full"}, StorageFullError, "disk is full"),
    ],
)
def test_a_refusal_is_the_error_it_was_with_a_sentence(
    status: int, body: dict[str, Any], kind: type[MemboxError], said: str
) -> None:
    error = refusal(status, body, "the box")
    assert type(error) is kind
    assert said in error.sentence
    assert error.detail == body


def test_a_setting_that_is_missing_on_the_box_is_told_as_such() -> None:
    body = {"detail": "no_mirror", "message": "No mirror is set; name one."}
    error = refusal(503, body, "the box")
    assert type(error) is NotConfiguredError
    assert error.sentence == "No mirror is set; name one."


def test_a_fault_of_no_field_is_told_as_it_is() -> None:
    body = {"detail": [{"loc": [], "msg": "The text is empty.", "type": "empty"}]}
    assert refusal(422, body, "the box").sentence == "The text is empty."


def test_a_field_called_like_a_part_of_the_request_is_named() -> None:
    body = {"detail": [{"loc": ["body", "query"], "msg": "Value error, must have words", "type": "value_error"}]}
    assert refusal(422, body, "the box").sentence == "The box refuses this: query: must have words."


def test_wrong_fields_are_named_with_what_is_wrong() -> None:
    body = {"detail": [{"loc": ["body", "items", 0, "text"], "msg": "String is too long", "type": "too_long"}]}
    assert refusal(422, body, "the box").sentence == "The box refuses this: items.0.text: String is too long."
