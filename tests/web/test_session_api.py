"""The door of agents' sessions: whatever a hook sends, it is taken in or refused with a reason."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.box import Box
from appliance.principal import Role
from tests.web.conftest import Door

pytestmark = pytest.mark.usefixtures("no_faults")

HOOK = "/v1/session/hook"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
FIELDS = (
    "prompt",
    "prompt_id",
    "source",
    "message",
    "last_assistant_message",
    "tool_name",
    "tool_input",
    "error",
    "cwd",
)


def event(name: str, **fields: Any) -> dict[str, Any]:
    return {"hook_event_name": name, "session_id": "api-1", "cwd": "/home/me/harbour", **fields}


def test_a_hook_that_has_nothing_to_say_answers_with_an_empty_object(as_role: Callable[..., Door]) -> None:
    reply = as_role(Role.WRITER)("POST", HOOK, event("UserPromptSubmit", prompt="Paint the boat."))
    assert (reply.status, reply.body) == (200, b"{}")


def test_a_start_answers_as_claude_code_expects_it(as_role: Callable[..., Door]) -> None:
    reply = as_role(Role.WRITER)("POST", HOOK, event("SessionStart", source="startup"))
    assert set(reply.json) == {"hookSpecificOutput"}
    assert set(reply.json["hookSpecificOutput"]) == {"hookEventName", "additionalContext"}


def test_fields_that_nobody_knows_are_passed_over(as_role: Callable[..., Door]) -> None:
    assert (
        as_role(Role.WRITER)("POST", HOOK, event("Stop", permission_mode="plan", effort={"level": "high"})).status
        == 200
    )


@pytest.mark.parametrize("given", [{}, {"hook_event_name": "Stop"}, event("x" * 65), event("Stop", session_id="")])
def test_an_event_without_name_or_session_is_refused(as_role: Callable[..., Door], given: dict[str, Any]) -> None:
    assert as_role(Role.WRITER)("POST", HOOK, given).status == 422


@given(
    st.sampled_from(["SessionStart", "UserPromptSubmit", "Stop", "PreCompact", "Notification", "SessionEnd", "Other"]),
    st.dictionaries(st.sampled_from(FIELDS), st.text() | JSON),
    st.text(min_size=1, max_size=200),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_event_is_a_fault_of_the_box(
    as_role: Callable[..., Door], name: str, fields: dict[str, Any], session_id: str
) -> None:
    assert as_role(Role.WRITER)("POST", HOOK, event(name, **{**fields, "session_id": session_id})).status in (200, 422)


@pytest.mark.parametrize("value", ["", "x", "-1", "²", "9" * 30, "1.5"])
def test_a_header_that_makes_no_sense_is_passed_over(as_role: Callable[..., Door], box: Box, value: str) -> None:
    before = box.sessions.hook_failures()
    names = ("X-Membox-Hook-Failures", "X-Membox-Usage", "X-Membox-Project", "X-Membox-Machine")
    headers = {name: value.encode().decode("latin-1") for name in names}
    assert as_role(Role.WRITER)("POST", HOOK, event("Stop"), headers).status == 200
    assert box.sessions.hook_failures() == before


def test_what_an_agent_writes_is_told_back_and_recovered(as_role: Callable[..., Door]) -> None:
    writer = as_role(Role.WRITER, agent="scribe")
    wrote = writer("POST", "/v1/session/buffer", {"project": "harbour", "task": "Count\x1b the boats"})
    assert "Task: Count\ufffd the boats" in wrote.json["text"]
    told = as_role(Role.READER)("GET", "/v1/session/recover?project=/srv/harbour&max_tokens=500&after=start").json
    assert "│ Task: Count" in told["text"]
    assert told["tokens"] <= 500
    assert "Count" in as_role(Role.READER)("GET", "/v1/session/buffer?project=harbour").json["text"]


@pytest.mark.parametrize("query", ["max_tokens=1", "max_tokens=x", "after=later"])
def test_a_bundle_of_no_size_is_refused(as_role: Callable[..., Door], query: str) -> None:
    assert as_role(Role.READER)("GET", f"/v1/session/recover?{query}").status == 422
