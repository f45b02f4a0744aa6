"""The refresh over JSON, from the note to the undo, with a language model that a local server speaks for."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from appliance.box import Box
from appliance.config_file import set_value
from appliance.principal import Role
from tests.llm_server import LlmServer, good

FILE = "GLOBAL_MEMORY.md"
START = "# Memory\n\n## Hard constraints\n\n- Never push to main\n\n## Decisions\n\n- SQLite\n- Lisbon\n"
NEW = START.replace("- Lisbon", "- Lisbon, since May")


@pytest.fixture
def admin(as_role: Callable[..., Any], box: Box, llm: LlmServer) -> Iterator[Any]:
    """An admin of a box with a short memory, a note that waits, and a model; afterwards nobody can be asked."""
    for key, value in (("providers", "openai"), ("openai_base_url", f"{llm.url}/v1"), ("openai_model", "small")):
        set_value(box.home, f"llm.{key}", value)
    box.notebook.save(FILE, START, box.notebook.read(FILE).version, "ana")
    asked = as_role(Role.ADMIN)
    assert asked("POST", "/note", {"text": f"Lisbon since May {time.monotonic_ns()}"}).status == 200
    yield asked
    set_value(box.home, "llm.providers", "[]")


def refreshed(admin: Any, **fields: object) -> Any:
    """How a refresh ended."""
    state = admin("POST", "/v1/notebook/refresh", fields).json
    while state["running"]:
        time.sleep(0.02)
        state = admin("GET", "/v1/notebook/refresh").json
    return state["last"]


def text(admin: Any) -> str:
    return str(admin("GET", f"/v1/notebook/document?path={FILE}").json["text"])


def test_a_refresh_is_begun_watched_and_undone(admin: Any, llm: LlmServer) -> None:
    llm.will(good({"document": NEW}), good({"document": NEW}))
    assert "+- Lisbon, since May" in refreshed(admin, dry_run=True)["diff"]
    assert text(admin) == START
    (done,) = refreshed(admin)["refreshes"]
    assert text(admin) == NEW
    one = admin("GET", f"/v1/notebook/refreshes/{done['id']}").json
    assert (one["outcome"], one["entries"] > 0, "+- Lisbon, since May" in one["diff"]) == ("applied", True, True)
    assert admin("POST", "/v1/notebook/undo", {"path": FILE}).status == 200
    assert text(admin) == START
    assert admin("GET", "/v1/notebook/refreshes?limit=1").json["refreshes"][0]["outcome"] == "undone"
    assert admin("GET", "/v1/notebook/refresh").json["waiting_entries"] > 0
    assert admin("POST", "/v1/notebook/refresh/undo", {"refresh_id": done["id"]}).detail == "refresh_settled"


def test_a_proposal_and_a_rewording_wait_for_a_decision(admin: Any, llm: LlmServer) -> None:
    small = START.replace("- SQLite\n- Lisbon\n", "").replace("Never push to main", "Don't ever push to main")
    llm.will(good({"document": small}))
    (waiting,) = refreshed(admin)["refreshes"]
    state = admin("GET", "/v1/notebook/refresh").json
    assert (state["awaiting_approval"], state["offered"]) == (1, 1)
    assert admin("POST", f"/v1/notebook/refreshes/{waiting['id']}/approve").json["outcome"] == "applied"
    (offer,) = admin("GET", "/v1/notebook/offers").json["offers"]
    assert admin("POST", f"/v1/notebook/offers/{offer['id']}/take").status == 200
    assert "- Don't ever push to main\n" in text(admin)
    assert "Lisbon" not in text(admin)
    assert admin("POST", f"/v1/notebook/offers/{offer['id']}/leave").detail == "offer_not_found"


def test_what_goes_wrong_is_told_at_the_end(admin: Any, llm: LlmServer) -> None:
    llm.will(good({"document": START.replace("Never push to main", "Pushing to main is fine")}))
    last = refreshed(admin)
    assert (last["word"], "opposite" in last["message"]) == ("refused", True)
    assert text(admin) == START


@pytest.mark.parametrize(
    ("method", "path", "word"),
    [
        ("GET", "/v1/notebook/refreshes/999999", "refresh_not_found"),
        ("GET", "/v1/notebook/refreshes/none", "refresh_not_found"),
        ("POST", "/v1/notebook/refreshes/99999999999999999999/approve", "refresh_not_found"),
        ("POST", "/v1/notebook/offers/-1/take", "offer_not_found"),
    ],
)
def test_an_id_that_names_nothing_is_not_found(method: str, path: str, word: str, as_role: Callable[..., Any]) -> None:
    reply = as_role(Role.ADMIN)(method, path, {} if method == "POST" else b"")
    assert (reply.status, reply.detail) == (404, word)


def test_a_file_that_is_not_there_is_not_refreshed(as_role: Callable[..., Any]) -> None:
    reply = as_role(Role.ADMIN)("POST", "/v1/notebook/refresh", {"path": "projects/nowhere.md"})
    assert (reply.status, reply.detail) == (404, "document_not_found")
