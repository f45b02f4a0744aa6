"""Compact and jobs over REST: the contract's fields and codes."""

from collections.abc import Callable
from typing import Any

import pytest

from appliance.box import Box
from appliance.jobs import Worker
from appliance.principal import Role

pytestmark = pytest.mark.usefixtures("no_faults")

JOB = {
    *("job_id", "kind", "status", "created_at", "started_at", "finished_at"),
    *("result", "error", "attempts", "max_attempts"),
}
MINE = {"tenant_id": "home", "agent_id": "me"}
MINE_QUERY = "tenant_id=home&agent_id=me"


@pytest.fixture
def me(as_role: Callable[..., Any]) -> Any:
    return as_role(Role.ADMIN)


def test_compact_answers_with_the_contracts_fields(me: Any) -> None:
    me("POST", "/v0/memory/remember", MINE | {"items": [{"type": "fact", "text": "A lighthouse is white."}]})
    reply = me("POST", "/v0/memory/compact", MINE | {"query": "lighthouse", "target_tokens": 64.0})
    assert reply.status == 200
    assert set(reply.json) == {
        *("created_memory_id", "source_memory_ids", "source_count", "input_tokens_estimate", "summary_text"),
        *("output_tokens_estimate", "reduction_ratio", "warnings"),
    }
    assert reply.json["summary_text"] == "A lighthouse is white."


@pytest.mark.parametrize(
    ("path", "field", "low", "high"),
    [
        ("/v0/memory/compact", "max_source_items", 1, 100),
        ("/v0/memory/compact", "input_max_tokens", 128, 64000),
        ("/v0/memory/compact", "target_tokens", 64, 8000),
        ("/v0/memory/reflect", "window_hours", 1, 168),
        ("/v0/memory/reflect", "max_candidates", 1, 32),
        ("/v0/memory/train", "lookback_days", 1, 180),
        ("/v0/memory/cleanup", "grace_hours", 0, 720),
    ],
)
def test_a_number_may_be_what_the_contract_says(me: Any, path: str, field: str, low: int, high: int) -> None:
    whole = MINE | {"query": "sea", "model_kind": "reranker"}
    assert [me("POST", path, whole | {field: value}).status for value in (low, high)] == [200, 200]
    for wrong in (low - 1, high + 1, low + 0.5, str(low), True, None):
        assert me("POST", path, whole | {field: wrong}).status == 422, wrong


@pytest.mark.parametrize(
    ("kind", "fields", "answered", "result"),
    [
        ("reflect", {}, {"job_id", "status", "candidate_facts"}, {"candidate_facts", "model_version", "model_route"}),
        ("cleanup", {}, {"job_id", "status", "notes"}, {"purged_count", "grace_hours"}),
        ("train", {"model_kind": "reranker"}, {"job_id", "status", "notes"}, None),
    ],
)
def test_a_job_is_there_from_its_answer_on_and_ends_with_its_result(
    me: Any, box: Box, kind: str, fields: dict[str, str], answered: set[str], result: set[str] | None
) -> None:
    reply = me("POST", f"/v0/memory/{kind}", MINE | fields)
    assert (reply.status, set(reply.json), reply.json["status"]) == (200, answered, "queued")
    path = f"/v0/jobs/{reply.json['job_id']}?{MINE_QUERY}"
    queued = me("GET", path).json
    assert (set(queued), queued["kind"], queued["status"], queued["result"]) == (JOB, kind, "queued", None)
    worker = Worker(box.jobs.queue, box.jobs.kinds)
    while worker.run_one():
        pass
    done = me("GET", path).json
    assert (set(done), done["status"], done["attempts"], done["error"]) == (JOB, "completed", 1, None)
    assert result is None or set(done["result"]) == result


def test_whose_job_it_is_decides(me: Any, as_role: Callable[..., Any]) -> None:
    job_id = me("POST", "/v0/memory/reflect", MINE).json["job_id"]
    asked = "/v0/jobs/{}?tenant_id={}&agent_id={}"
    for caller, path, expected in [
        (as_role(Role.READER), asked.format(job_id, "home", "me"), (200, None)),
        (as_role(Role.WRITER, agent="you"), asked.format(job_id, "home", "you"), (403, "agent_mismatch")),
        (as_role(Role.ADMIN, agent="you"), asked.format(job_id, "home", "you"), (200, None)),
        (as_role(Role.ADMIN, "elsewhere"), asked.format(job_id, "elsewhere", "me"), (404, "job_not_found")),
        (me, asked.format("job_0", "home", "me"), (404, "job_not_found")),
        (me, asked.format("dead_letters", "home", "me"), (200, None)),
        (as_role(Role.WRITER), asked.format("dead_letters", "home", "me"), (403, "insufficient_role")),
        (me, f"/v0/jobs/{job_id}", (422, None)),
    ]:
        reply = caller("GET", path)
        word = reply.json.get("detail") if reply.status not in (200, 422) else None
        assert (reply.status, word) == expected, path


def test_a_known_word_in_the_place_of_an_id_is_no_id(me: Any) -> None:
    for method, path, allow in [
        ("POST", "/v0/jobs/dead_letters", "GET, HEAD"),
        ("GET", "/v0/memory/compact", "POST"),
        ("DELETE", "/v0/memory/reflect", "POST"),
    ]:
        reply = me(method, path, MINE)
        assert (reply.status, reply.headers["allow"]) == (405, allow)


def test_dead_letters_are_counted_listed_and_tried_again(me: Any, box: Box) -> None:
    job_id = box.jobs.queue.submit("home", "me", "cleanup", {"grace_hours": -1})
    worker = Worker(box.jobs.queue, box.jobs.kinds)
    while worker.run_one():
        pass
    answer = me("GET", f"/v0/jobs/dead_letters?{MINE_QUERY}&limit=1").json
    assert (set(answer), answer["count"]) == ({"count", "items"}, 1)
    assert set(answer["items"][0]) == JOB
    assert 'membox_jobs{status="failed"} 1' in me("GET", "/metrics").body.decode().splitlines()
    assert me("POST", f"/v1/jobs/{job_id}/retry", MINE).json["status"] == "queued"
    again = me("POST", f"/v1/jobs/{job_id}/retry", MINE)
    assert (again.status, again.json["detail"]) == (409, "job_not_failed")
    assert me("GET", f"/v1/jobs?{MINE_QUERY}&status=queued").json["items"][0]["job_id"] == job_id
    for limit in ("0", "201", "x"):
        assert me("GET", f"/v0/jobs/dead_letters?{MINE_QUERY}&limit={limit}").status == 422
