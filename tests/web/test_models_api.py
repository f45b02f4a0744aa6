"""The registry at its door: what is wrong with a request is said in the contract's order and words."""

from collections.abc import Callable
from typing import Any

import pytest

from appliance.jobs import Worker
from appliance.principal import Role

pytestmark = pytest.mark.usefixtures("no_faults")
ME = {"tenant_id": "home", "agent_id": "me"}
STATE = {
    *("model_kind", "active_version", "canary_version", "rollout_percent", "tenant_allowlist", "metadata"),
    *("signal_summary", "updated_at"),
}


@pytest.fixture
def admin(as_role: Callable[..., Any]) -> Any:
    return as_role(Role.ADMIN)


def test_a_version_is_registered_tried_judged_promoted_and_remembered(admin: Any) -> None:
    register = {**ME, "version": "v2", "rollout_percent": 100, "metadata": {"by": "hand"}}
    state = admin("POST", "/v0/models/reranker/canary/register", register).json
    assert set(state) == STATE
    assert (state["canary_version"], state["metadata"]) == ("v2", {"by": "hand"})
    recalled = admin("POST", "/v0/memory/recall", {**ME, "query": "anything"}).json
    assert (recalled["model_version"], recalled["model_route"]) == ("v2", "canary_percent")
    signal = {**ME, "version": "v2", "metric": "recall_at_5", "value": 1, "source": "suite"}
    judged = admin("POST", "/v0/models/reranker/signals", signal).json
    assert judged["signal_summary"] == {"v2": {"recall_at_5.count": 1, "recall_at_5.avg": 1}}
    assert admin("POST", "/v0/models/reranker/canary/promote", ME).json["active_version"] == "v2"
    recalled = admin("POST", "/v0/memory/recall", {**ME, "query": "anything"}).json
    assert (recalled["model_version"], recalled["model_route"]) == ("v2", "active")
    past = admin("GET", "/v0/models/reranker/history?tenant_id=home&agent_id=me&limit=2").json
    assert (past["model_kind"], [item["event_kind"] for item in past["items"]]) == (
        "reranker",
        ["promote_canary", "record_signal"],
    )
    refused = admin("POST", "/v0/models/reranker/canary/promote", ME)
    assert (refused.status, refused.json) == (400, {"detail": "canary_not_set"})


def test_an_unknown_kind_is_a_bad_field_and_comes_before_permission(as_role: Callable[..., Any]) -> None:
    for role, tenant in [(Role.ADMIN, "home"), (Role.READER, "elsewhere")]:
        reply = as_role(role, tenant)("GET", "/v0/models/ranker?tenant_id=home&agent_id=me")
        assert (reply.status, reply.detail[0]["loc"]) == (422, ["path", "kind"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("canary/register", {}),
        ("canary/register", {"version": "v", "rollout_percent": 1.5}),
        ("canary/register", {"version": "v", "metadata": {"n": "\0"}}),
        ("canary/register", b'{"tenant_id":"home","agent_id":"me","version":"v","metadata":{"n":1e999}}'),
        ("canary/register", b'{"tenant_id":"home","agent_id":"me","version":"v","metadata":{"n":NaN}}'),
        ("signals", {"version": "v", "metric": "m"}),
        ("signals", {"version": "v", "metric": "m", "value": "1"}),
        ("signals", {"version": "v", "metric": "m", "value": True}),
        ("signals", {"version": "v", "metric": "m", "value": 10**400}),
        ("signals", {"version": "v", "metric": "m", "value": 1, "source": "s" * 257}),
        ("canary/promote", {"agent_id": 7}),
    ],
)
def test_bad_fields_are_named(admin: Any, path: str, body: Any) -> None:
    reply = admin("POST", f"/v0/models/reranker/{path}", body if isinstance(body, bytes) else {**ME, **body})
    assert reply.status == 422
    assert isinstance(reply.detail, list)


@pytest.mark.parametrize("number", ["9" * 5_000, "9" * 4_000, "1e308"])
def test_a_number_of_any_length_is_kept_or_refused(admin: Any, number: str) -> None:
    body = f'{{"tenant_id":"home","agent_id":"me","version":"v","metadata":{{"n":{number}}}}}'.encode()
    registered = admin("POST", "/v0/models/salience/canary/register", body)
    assert registered.status in (200, 422)
    assert admin("GET", "/v0/models/salience/history?tenant_id=home&agent_id=me").status == 200


def test_a_known_word_in_the_place_of_another_is_a_wrong_method(admin: Any) -> None:
    reply = admin("GET", "/v0/models/reranker/canary/promote?tenant_id=home&agent_id=me")
    assert (reply.status, reply.headers["allow"]) == (405, "POST")
    assert admin("POST", "/v0/models/reranker", ME).headers["allow"] == "GET, HEAD"


def test_a_judged_recall_teaches_the_training_that_is_asked_for(admin: Any, box: Any) -> None:
    items = [{"type": "fact", "text": f"The lighthouse keeper's lamp, part {number}"} for number in range(3)]
    admin("POST", "/v0/memory/remember", {**ME, "items": items})
    recalled = admin("POST", "/v0/memory/recall", {**ME, "query": "lighthouse lamp"}).json
    for item, helped in zip(recalled["items"], (1, 0, 0), strict=True):
        signal = {"version": recalled["model_version"], "metric": "helpful", "value": helped}
        source = f"{recalled['trace_id']}:{item['memory_id']}"
        assert admin("POST", "/v0/models/reranker/signals", {**ME, **signal, "source": source}).status == 200
    queued = admin("POST", "/v0/memory/train", {"tenant_id": "home", "model_kind": "reranker"}).json
    assert Worker(box.jobs.queue, box.jobs.kinds).run_one()
    job = admin("GET", f"/v0/jobs/{queued['job_id']}?tenant_id=home&agent_id=me").json
    assert job["status"] == "completed"
    assert job["result"]["candidate_version"] is None
    assert "1 of the 20" in job["result"]["notes"]
