"""Saying of a search result whether it helped: recorded with and without scripts, from the own pages only."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from appliance.principal import Role

pytestmark = pytest.mark.usefixtures("no_faults")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def browser(signed_in: Callable[[], Any]) -> Any:
    """A signed-in browser without scripts: it sends no header of ours."""
    door = signed_in()
    del door.headers["X-CSRF-Token"]
    return door


@pytest.fixture
def fields(as_role: Callable[..., Any], browser: Any) -> dict[str, str]:
    """The hidden fields of the first result's form, and its first button."""
    item = {"type": "fact", "text": "The wombat's burrow has a second door"}
    as_role(Role.WRITER)(
        "POST", "/v0/memory/remember", {"tenant_id": "home", "agent_id": "me", "scope": "team", "items": [item]}
    )
    page = browser("GET", "/search?q=wombat").body.decode()
    form = page.partition('<form class="verdict"')[2].partition("</form>")[0]
    found = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form))
    assert form.count("<button ") == 2
    return {**found, "helpful": "1"}


def signals(as_role: Callable[..., Any]) -> list[dict[str, Any]]:
    past = as_role(Role.ADMIN)("GET", "/v0/models/reranker/history?tenant_id=home&agent_id=me").json
    return [item for item in past["items"] if item["kind"] == "signal"]


def test_a_form_without_scripts_records_a_verdict_and_leads_back(
    browser: Any, fields: dict[str, str], as_role: Callable[..., Any]
) -> None:
    reply = browser("POST", "/search/verdict", urlencode(fields).encode(), FORM)
    assert (reply.status, reply.headers["location"]) == (303, f"/search?q=wombat#{quote(fields['item'])}")
    newest = signals(as_role)[0]
    assert (newest["metric"], newest["value"], newest["actor_agent_id"]) == ("helpful", 1, "owner")
    assert newest["source"] == f"{fields['recall']}:{fields['item']}"
    assert newest["version"] == "reranker-baseline-v1"


@pytest.mark.parametrize("token", ["", "wrong", "é"])
def test_a_form_without_the_sessions_token_is_refused(
    browser: Any, fields: dict[str, str], as_role: Callable[..., Any], token: str
) -> None:
    before = len(signals(as_role))
    reply = browser("POST", "/search/verdict", urlencode({**fields, "csrf_token": token}).encode(), FORM)
    assert (reply.status, reply.detail) == (403, "csrf_failed")
    assert len(signals(as_role)) == before


def test_a_form_from_elsewhere_is_refused(browser: Any, fields: dict[str, str]) -> None:
    reply = browser("POST", "/search/verdict", urlencode(fields).encode(), FORM | {"Origin": "http://evil.example"})
    assert (reply.status, reply.detail) == (403, "origin_not_allowed")


@pytest.mark.parametrize(
    "wrong", [{"helpful": "2"}, {"recall": "rec_1"}, {"item": ""}, {"version": ""}, {"q": "x" * 2000}]
)
def test_a_bad_form_is_refused(browser: Any, fields: dict[str, str], wrong: dict[str, str]) -> None:
    assert browser("POST", "/search/verdict", urlencode({**fields, **wrong}).encode(), FORM).status == 422
