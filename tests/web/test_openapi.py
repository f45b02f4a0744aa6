"""The document says what the daemon serves: all of it, in the form of OpenAPI 3.1."""

import re
from typing import Any

import pytest

from appliance.web.endpoint import HTML, Reach, endpoints
from appliance.web.openapi import document, statuses


@pytest.fixture(scope="module")
def served() -> dict[str, Any]:
    return document()


def operations(served: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"{m.upper()} {path}": each for path, methods in served["paths"].items() for m, each in methods.items()}


def test_it_is_served_to_anyone(ask: Any, served: dict[str, Any]) -> None:
    reply = ask("GET", "/openapi.json")
    assert reply.json == served
    assert reply.json["openapi"].startswith("3.1.")


def test_it_holds_every_endpoint_and_no_other(served: dict[str, Any]) -> None:
    assert set(operations(served)) == {each.name for each in endpoints()}


def test_every_reference_leads_somewhere(served: dict[str, Any]) -> None:
    names = set(served["components"]["schemas"])
    assert set(re.findall(r"#/components/schemas/([\w-]+)", str(served))) <= names


def test_operation_ids_differ(served: dict[str, Any]) -> None:
    ids = [each["operationId"] for each in operations(served).values()]
    assert len(ids) == len(set(ids))


def test_it_names_no_host(served: dict[str, Any]) -> None:
    assert served["servers"] == [{"url": "/"}]


def test_what_needs_a_credential_says_which(served: dict[str, Any]) -> None:
    named = operations(served)
    for each in endpoints():
        security = named[each.name].get("security")
        assert (security is None) == (each.reach is Reach.OPEN), each.name
        for scheme in security or []:
            assert set(scheme) <= set(served["components"]["securitySchemes"])


def test_every_parameter_in_a_path_is_described(served: dict[str, Any]) -> None:
    for name, each in operations(served).items():
        described = {field["name"] for field in each["parameters"] if field["in"] == "path"}
        assert described == set(re.findall(r"{(\w+)}", name)), name


def test_errors_are_described_with_their_bodies(served: dict[str, Any]) -> None:
    for each in endpoints():
        responses = operations(served)[each.name]["responses"]
        assert {int(status) for status in responses} == statuses(each)
        for status, response in responses.items():
            if int(status) >= 400:
                assert "application/json" in response["content"], (each.name, status)


def test_a_page_answers_html(served: dict[str, Any]) -> None:
    for each in endpoints():
        if each.content_type == HTML and each.status == 200:
            assert "text/html" in operations(served)[each.name]["responses"]["200"]["content"]


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("RememberRequest", {"tenant_id", "agent_id", "scope", "items", "idempotency_key"}),
        ("RememberAnswer", {"accepted", "rejected", "memory_ids", "warnings"}),
        (
            "RecallAnswer",
            {"items", "composed_tokens_estimate", "conflicts", "trace_id", "model_version", "model_route"},
        ),
        (
            "Meta",
            {
                "service",
                "mode",
                "store_backend",
                "auth_mode",
                "graph_enabled",
                "graph_half_life_hours",
                "model_registry_backend",
                "generated_at",
            },
        ),
        ("Health", {"status", "service", "version"}),
        ("NoteAnswer", {"ok", "timestamp"}),
    ],
)
def test_the_contracts_bodies_have_the_contracts_fields(served: dict[str, Any], name: str, fields: set[str]) -> None:
    assert set(served["components"]["schemas"][name]["properties"]) == fields


def test_meta_answers_the_contracts_fields(ask: Any) -> None:
    meta = ask("GET", "/v0/meta").json
    assert meta.pop("generated_at").endswith("Z")
    assert meta == {
        "service": "membox",
        "mode": "local",
        "store_backend": "sqlite",
        "auth_mode": "api_key",
        "graph_enabled": False,
        "graph_half_life_hours": 168.0,
        "model_registry_backend": "sqlite",
    }


def test_healthz_answers_the_contracts_fields(ask: Any) -> None:
    health = ask("GET", "/healthz").json
    assert (set(health), health["status"], health["service"]) == ({"status", "service", "version"}, "ok", "membox")
