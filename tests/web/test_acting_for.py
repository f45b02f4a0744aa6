"""A server of ours hands on what its own callers may do: less than its own key may, never more."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from appliance.principal import Role
from appliance.web.auth import ACTING_AS
from appliance.web.endpoint import LOCAL


def acting_as(tenant: str, agent: str, role: str) -> dict[str, str]:
    return {ACTING_AS: json.dumps({"tenant_id": tenant, "agent_id": agent, "role": role})}


def test_the_owner_may_ask_for_anybody(ask_at: Callable[[str], Any]) -> None:
    whoami = ask_at(LOCAL)("GET", "/v1/whoami", headers=acting_as("elsewhere", "märta", "reader")).json
    assert whoami == {"tenant_id": "elsewhere", "agent_id": "märta", "role": "reader", "owner": False}


def test_what_is_asked_for_may_no_more_than_it_says(ask_at: Callable[[str], Any]) -> None:
    asked = {"tenant_id": "elsewhere", "agent_id": "scout", "items": [{"type": "fact", "text": "never stored"}]}
    owner = ask_at(LOCAL)
    refused = owner("POST", "/v0/memory/remember", asked, acting_as("elsewhere", "scout", "reader"))
    assert (refused.status, refused.detail) == (403, "insufficient_role")
    assert (
        ask_at(LOCAL)("GET", "/v1/keys", headers=acting_as("elsewhere", "scout", "admin")).detail == "tenant_mismatch"
    )
    assert (
        ask_at(LOCAL)("GET", "/v1/sessions", headers=acting_as("home", "scout", "admin")).detail == "insufficient_role"
    )


def test_an_admin_may_ask_for_agents_of_its_tenant_only(as_role: Callable[..., Any]) -> None:
    admin = as_role(Role.ADMIN)
    assert admin("GET", "/v1/whoami", headers=acting_as("home", "scout", "writer")).json["agent_id"] == "scout"
    refused = admin("GET", "/v1/whoami", headers=acting_as("elsewhere", "scout", "writer"))
    assert (refused.status, refused.detail) == (403, "tenant_mismatch")


def test_nobody_else_may(ask: Any, as_role: Callable[..., Any]) -> None:
    refused = as_role(Role.WRITER)("GET", "/v1/whoami", headers=acting_as("home", "other", "reader"))
    assert (refused.status, refused.detail) == (403, "insufficient_role")
    assert ask("GET", "/v1/whoami", headers=acting_as("home", "other", "admin")).status == 401


@pytest.mark.parametrize("said", ["", "{}", "owner", '{"tenant_id": "home", "agent_id": "", "role": "reader"}'])
def test_what_names_no_caller_is_refused(ask_at: Callable[[str], Any], said: str) -> None:
    assert ask_at(LOCAL)("GET", "/v1/whoami", headers={ACTING_AS: said}).status == (422 if said else 200)
