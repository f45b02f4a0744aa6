"""The metrics' doors: what was asked is counted, and each caller sees the items of its own tenant only."""

import re
from collections.abc import Callable

import pytest

from appliance.box import Box
from appliance.principal import Role
from tests.web.conftest import Door

pytestmark = pytest.mark.usefixtures("no_faults")

# A line of Prometheus' text format 0.0.4: a comment, or a name with labels and a number.
LINE = re.compile(r'# (?:HELP|TYPE) \w+ .+|\w+(?:\{\w+="[^"\\\n]*"(?:,\w+="[^"\\\n]*")*\})? -?[\d.e+]+')


@pytest.fixture
def as_admin(ask: Door, key_of: Callable[..., str]) -> Callable[..., dict[str, str]]:
    return lambda tenant="home": {"Authorization": f"Bearer {key_of(Role.ADMIN, tenant)}"}


def test_a_recall_is_counted_with_its_stages(ask: Door, as_admin: Callable[..., dict[str, str]]) -> None:
    body = {"tenant_id": "home", "agent_id": "me", "query": "where does the kettle stand"}
    assert ask("POST", "/v0/memory/recall", body, as_admin()).status == 200
    told = ask("GET", "/v0/metrics", headers=as_admin()).json
    assert told["service"] == "membox"
    snapshot = told["snapshot"]
    assert snapshot["route_latency_ms"]["POST /v0/memory/recall"]["count"] >= 1
    assert {"recall.auth", "recall.store", "recall.rank", "recall.pack"} <= set(snapshot["pipeline_latency_ms"])
    assert sum(snapshot["status_counts"].values()) == snapshot["request_count"]


def test_unknown_paths_are_counted_without_their_names(ask: Door, as_admin: Callable[..., dict[str, str]]) -> None:
    ask("GET", "/some/secret/path")
    told = ask("GET", "/v0/metrics", headers=as_admin()).json["snapshot"]
    assert told["status_counts"]["4xx"] >= 1
    assert "secret" not in str(told)


def test_prometheus_can_read_every_line(ask: Door, as_admin: Callable[..., dict[str, str]]) -> None:
    answer = ask("GET", "/metrics", headers=as_admin())
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.body.decode().splitlines()
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    assert any(line.startswith("membox_resident_bytes ") for line in lines)


def test_items_are_those_of_the_callers_tenant(
    box: Box, ask: Door, as_admin: Callable[..., dict[str, str]], key_of: Callable[..., str]
) -> None:
    body = {"tenant_id": "acme", "agent_id": "me", "items": [{"type": "fact", "text": "only acme has this"}]}
    assert ask("POST", "/v0/memory/remember", body, as_admin("acme")).status == 200
    assert "membox_memory_items 1" in ask("GET", "/metrics", headers=as_admin("acme")).body.decode().splitlines()
    assert "membox_memory_items 0" in ask("GET", "/metrics", headers=as_admin("globex")).body.decode().splitlines()
