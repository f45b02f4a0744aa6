"""The authorisation table: every endpoint × every caller × own and other's.

What each endpoint asks for is written down here a second time, by hand: an endpoint without a row, or whose
registration says otherwise, fails.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

import appliance.web
from appliance.principal import Role
from appliance.web.app import ENDPOINT_MODULES
from appliance.web.endpoint import SERVE, SOCKET, WEB, endpoints
from appliance.web.openapi import statuses

pytestmark = pytest.mark.usefixtures("no_faults")

OPEN, ANY, NAMED, TENANT, BOX, OWNER, PERSON = "open", "any", "named", "tenant", "box", "owner", "person"
CAPTURE, READER, WRITER, ADMIN = Role.CAPTURE, Role.READER, Role.WRITER, Role.ADMIN


@dataclass(frozen=True)
class Row:
    """What an endpoint asks for, and a well-formed request to it."""

    name: str
    reach: str
    role: Role | None = None
    body: Any = field(default_factory=dict)  # bytes: a form
    query: str = ""
    kind: str = ""

    @property
    def names_tenant(self) -> bool:
        return self.reach in (NAMED, TENANT)

    @property
    def method(self) -> str:
        return self.name.partition(" ")[0]

    def path(self, tenant: str, agent: str) -> str:
        path = self.name.partition(" ")[2].replace("{kind}", self.kind).replace("{", "x").replace("}", "")
        query = f"tenant_id={tenant}&agent_id={agent}" if self.reach == NAMED else self.query
        return f"{path}?{query}" if query else path

    def payload(self, tenant: str, agent: str) -> Any:
        return {**self.body, "tenant_id": tenant, "agent_id": agent} if self.names_tenant else self.body


FILE = "GLOBAL_MEMORY.md"
VERDICT = b"recall=rec_0123456789abcdef&item=mem_1&version=v&helpful=1"
TABLE = [
    Row("POST /v0/memory/remember", NAMED, WRITER, {"items": [{"type": "fact", "text": "a table has rows"}]}),
    Row("POST /v0/memory/recall", NAMED, READER, {"query": "table"}),
    Row("GET /v0/memory/{memory_id}", NAMED, READER),
    Row("DELETE /v0/memory/{memory_id}", NAMED, WRITER),
    Row("POST /v0/memory/compact", NAMED, WRITER, {"query": "table"}),
    Row("POST /v0/memory/reflect", NAMED, WRITER),
    Row("POST /v0/memory/train", TENANT, ADMIN, {"model_kind": "reranker"}),
    Row("POST /v0/memory/cleanup", TENANT, ADMIN),
    Row("GET /v0/jobs/{job_id}", NAMED, READER),
    Row("GET /v0/jobs/dead_letters", NAMED, ADMIN),
    Row("GET /v1/jobs", NAMED, READER),
    Row("POST /v1/jobs/{job_id}/retry", NAMED, ADMIN),
    Row("GET /v0/models/{kind}", NAMED, ADMIN, kind="reranker"),
    Row("GET /v0/models/{kind}/history", NAMED, ADMIN, kind="salience"),
    Row("POST /v0/models/{kind}/canary/register", NAMED, ADMIN, {"version": "v2"}, kind="reranker"),
    Row("POST /v0/models/{kind}/canary/promote", NAMED, ADMIN, kind="reranker"),
    Row("POST /v0/models/{kind}/canary/rollback", NAMED, ADMIN, kind="reranker"),
    Row("POST /v0/models/{kind}/signals", NAMED, ADMIN, {"version": "v", "metric": "m", "value": 1}, kind="reranker"),
    Row("POST /v1/memory/import", OWNER, ADMIN, {"items": [{"memory_id": "mem_row"}]}),
    Row("POST /note", ANY, CAPTURE, {"text": "a row"}),
    Row("POST /v1/session/hook", BOX, WRITER, {"hook_event_name": "SessionStart", "session_id": "row"}),
    Row("POST /v1/session/buffer", BOX, WRITER, {"task": "fill in a row"}),
    Row("GET /v1/session/buffer", BOX, READER),
    Row("GET /v1/session/recover", BOX, READER),
    Row("GET /v1/whoami", ANY, READER),
    Row("GET /v1/keys", BOX, ADMIN),
    Row("POST /v1/keys", BOX, ADMIN, {"name": "row", "role": "reader"}),
    Row("DELETE /v1/keys/{key_id}", BOX, ADMIN),
    Row("POST /v1/login-link", OWNER, ADMIN),
    Row("POST /v1/sign-out", OWNER, ADMIN),
    Row("GET /v1/sessions", OWNER, ADMIN),
    Row("DELETE /v1/sessions/{session_id}", OWNER, ADMIN),
    Row("GET /v1/notebook/documents", BOX, READER),
    Row("GET /v1/notebook/document", BOX, READER, query=f"path={FILE}"),
    Row("PUT /v1/notebook/document", BOX, ADMIN, {"path": "projects/row.md", "text": "# Row\n", "base_version": 0}),
    Row("GET /v1/notebook/history", BOX, READER),
    Row("GET /v1/notebook/version", BOX, READER, query=f"path={FILE}&number=1"),
    Row("GET /v1/notebook/diff", BOX, READER, query=f"path={FILE}&old=1&new=1"),
    Row("POST /v1/notebook/diff", BOX, READER, {"path": FILE, "text": "x", "base_version": 1}),
    Row("POST /v1/notebook/preview", BOX, READER, {"text": "# x"}),
    Row("POST /v1/notebook/restore", BOX, ADMIN, {"path": "projects/none.md", "number": 1}),
    Row("POST /v1/notebook/undo", BOX, ADMIN, {"path": "projects/none.md"}),
    Row("GET /v1/notebook/lines", BOX, READER, query=f"path={FILE}"),
    Row("GET /v1/notebook/line", BOX, READER, query=f"path={FILE}&line=1"),
    Row("GET /v1/notebook/search", BOX, READER, query="q=row"),
    Row("POST /v1/notebook/tick", BOX, ADMIN, {"path": "projects/none.md", "line": 1, "done": True, "base_version": 1}),
    Row("POST /v1/notebook/forget", BOX, ADMIN, {"path": "projects/none.md", "first_line": 1, "last_line": 1}),
    Row("GET /v1/notebook/refresh", BOX, READER),
    Row("POST /v1/notebook/refresh", BOX, ADMIN, {"path": "projects/none.md"}),
    Row("POST /v1/notebook/refresh/undo", BOX, ADMIN),
    Row("GET /v1/notebook/refreshes", BOX, READER),
    Row("GET /v1/notebook/refreshes/{refresh_id}", BOX, READER),
    Row("POST /v1/notebook/refreshes/{refresh_id}/approve", BOX, ADMIN),
    Row("POST /v1/notebook/refreshes/{refresh_id}/decline", BOX, ADMIN),
    Row("GET /v1/notebook/offers", BOX, READER),
    Row("POST /v1/notebook/offers/{offer_id}/take", BOX, ADMIN),
    Row("POST /v1/notebook/offers/{offer_id}/leave", BOX, ADMIN),
    Row("GET /v1/session", OWNER, ADMIN),
    Row("POST /v1/qr", OWNER, ADMIN, {"text": "x"}),
    Row("GET /v1/secrets", OWNER, ADMIN),
    Row("GET /v1/secrets/{name}", OWNER, ADMIN),
    Row("PUT /v1/secrets/{name}", OWNER, ADMIN, {"value": "of a row"}),
    Row("DELETE /v1/secrets/{name}", OWNER, ADMIN),
    Row("POST /v1/hold", OWNER, ADMIN, {"why": "a row", "seconds": 0.001}),
    Row("POST /v1/harvest", BOX, ADMIN),
    Row("GET /v1/llm", BOX, ADMIN),
    Row("GET /v1/llm/usage", BOX, ADMIN),
    Row("GET /v1/llm/{provider}/models", BOX, ADMIN),
    Row("POST /v1/llm/test", BOX, ADMIN, {"provider": "nobody"}),
    Row("GET /v1/notify", BOX, ADMIN),
    Row("POST /v1/notify/test", BOX, ADMIN, {"target": "log"}),
    Row("POST /v1/digest", BOX, ADMIN),
    Row("GET /v1/targets", BOX, READER),
    Row("POST /v1/targets/add", OWNER, ADMIN, {"path": "/proc/nowhere/CLAUDE.md"}),
    Row("POST /v1/targets/remove", OWNER, ADMIN, {"path": "/proc/nowhere/CLAUDE.md"}),
    Row("POST /v1/targets/sync", BOX, ADMIN),
    Row("POST /v1/targets/check", BOX, ADMIN),
    Row("POST /v1/targets/checkin", BOX, READER, {"machine": "row", "targets": []}),
    Row("POST /v1/targets/forget", BOX, ADMIN, {"machine": "row"}),
    Row("GET /v1/status", BOX, READER),
    Row("GET /v1/schedule", BOX, ADMIN),
    Row("POST /v1/schedule/run", BOX, ADMIN, {"job": "cleanup"}),
    Row("GET /v1/backups", BOX, ADMIN),
    Row("POST /v1/backups", BOX, ADMIN),
    Row("POST /v1/backups/copy", OWNER, ADMIN),
    Row("POST /v1/backups/verify", BOX, ADMIN),
    Row("GET /v1/reindex", BOX, ADMIN),
    Row("POST /v1/reindex", BOX, ADMIN),
    Row("GET /v0/metrics", ANY, ADMIN),
    Row("GET /metrics", ANY, ADMIN),
    Row("GET /healthz", OPEN),
    Row("GET /health", OPEN),
    Row("GET /v0/meta", OPEN),
    Row("GET /openapi.json", OPEN),
    Row("GET /static/{name}", OPEN),
    Row("GET /sw.js", OPEN),
    Row("GET /manifest.webmanifest", OPEN),
    Row("POST /v1/sign-in", OPEN, body={"ticket": "unknown"}),
    Row("GET /sign-in", OPEN),
    Row("GET /phone", OPEN),
    Row("GET /offline", OPEN),
    Row("GET /share", OPEN),
    Row("POST /share", OPEN),
    Row("GET /", PERSON, ADMIN),
    Row("GET /memory", PERSON, ADMIN),
    Row("GET /memory/edit", PERSON, ADMIN, query=f"path={FILE}"),
    Row("GET /search", PERSON, ADMIN),
    Row("POST /search/verdict", BOX, ADMIN, VERDICT),
    Row("GET /history", PERSON, ADMIN),
    Row("GET /history/change", PERSON, ADMIN, query=f"path={FILE}&number=1"),
    Row("GET /history/version", PERSON, ADMIN, query=f"path={FILE}&number=1"),
    Row("GET /history/lines", PERSON, ADMIN, query=f"path={FILE}"),
    Row("GET /history/line", PERSON, ADMIN, query=f"path={FILE}&line=1"),
    Row("GET /refresh", PERSON, ADMIN),
    Row("GET /devices", PERSON, ADMIN),
    Row("GET /activity", PERSON, ADMIN),
]
IN_BROWSER = ("signed in", "without csrf")
strangers = itertools.cycle(range(1, 255))
CALLERS = ("none", "wrong key", "capture", "reader", "writer", "admin", "foreign admin", "owner's key", *IN_BROWSER)
KEYS = {"capture": CAPTURE, "reader": READER, "writer": WRITER, "admin": ADMIN, "foreign admin": ADMIN}


_MINE = {"Tailscale-User-Login": "mine@example.com"}
VISITORS = {
    "the owner": _MINE,
    "the owner without csrf": _MINE,
    "another person": {"Tailscale-User-Login": "other@example.com"},
    "a tagged device": {},
    "two persons": {"Tailscale-User-Login": "mine@example.com, other@example.com"},
    "the box itself": {**_MINE, "X-Forwarded-For": "127.0.0.1"},
    "through Funnel": {**_MINE, "Tailscale-Funnel-Request": "?1"},
}


def expected(row: Row, caller: str, tenant: str, agent: str, door: str) -> tuple[int, str] | None:
    """The refusal the contract asks for, or None where the request must get through."""
    if row.reach == OPEN:
        return None
    if row.reach == PERSON:
        return None if caller in IN_BROWSER else (303, "")
    no_key = caller == "none" or (caller in IN_BROWSER and door == SOCKET)
    if no_key or caller == "wrong key":
        word = "missing_api_key" if no_key else "invalid_api_key"
        return 401, "unauthorized" if row.name == "POST /note" else word
    if caller == "without csrf" and row.method != "GET":
        return 403, "csrf_failed"
    return _permission(row, caller, tenant, agent)


def _permission(row: Row, caller: str, tenant: str, agent: str) -> tuple[int, str] | None:
    person = caller == "owner's key" or caller in IN_BROWSER
    role = ADMIN if person else KEYS[caller]
    own_tenant = "elsewhere" if caller == "foreign admin" else "home"
    wanted_tenant = tenant if row.names_tenant else own_tenant if row.reach == ANY else "home"
    if wanted_tenant != own_tenant:
        return 403, "tenant_mismatch"
    if row.reach == NAMED and agent != ("owner" if person else "me") and role is not ADMIN:
        return 403, "agent_mismatch"
    if row.role is not None and role < row.role:
        return 403, "insufficient_role"
    if row.reach == OWNER and not person:
        return 403, "insufficient_role"
    return None


@pytest.fixture
def caller_of(
    ask: Any,
    ask_at: Callable[[str], Any],
    as_role: Callable[..., Any],
    signed_in: Callable[[], Any],
    owner_key: str,
) -> Callable[..., Any]:
    """Sends requests as one of CALLERS, at the web door unless another is named."""

    def caller(name: str, door: str = WEB) -> Any:
        return credentialed(name) if door == WEB else replace(credentialed(name), app=ask_at(door).app)

    def credentialed(name: str) -> Any:
        if name in KEYS:
            return as_role(KEYS[name], "elsewhere" if name == "foreign admin" else "home")
        if name == "owner's key":
            ask.headers = {"Authorization": f"Bearer {owner_key}"}
        if name in IN_BROWSER:
            browser = signed_in()
            if name == "without csrf":
                del browser.headers["X-CSRF-Token"]
            return browser
        if name == "wrong key":
            ask.headers = {"Authorization": "Bearer mbx_12345678_wrong"}
            ask.client = f"198.51.100.{next(strangers)}"  # many wrong keys of one client would be too many
        return ask

    return caller


def word_of(reply: Any) -> str:
    body = reply.json if reply.body else {}
    return str(body.get("detail") or body.get("error") or "")


def test_every_endpoint_has_a_row_that_agrees() -> None:
    registered = {each.name: (each.reach.value, each.role) for each in endpoints()}
    written = {row.name: (row.reach, row.role) for row in TABLE}
    assert registered == written


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_who_may_do_what(row: Row, caller: str, caller_of: Callable[..., Any]) -> None:
    own_agent = "owner" if caller == "owner's key" or caller in IN_BROWSER else "me"
    endpoint = next(each for each in endpoints() if each.name == row.name)
    door = WEB if WEB in endpoint.doors else SOCKET
    others = [("home", "other"), ("elsewhere", own_agent), ("elsewhere", "other")] if row.names_tenant else []
    for tenant, agent in [("home", own_agent), *others]:
        reply = caller_of(caller, door)(row.method, row.path(tenant, agent), row.payload(tenant, agent))
        assert reply.status in statuses(endpoint), "not in the OpenAPI document"
        refusal = expected(row, caller, tenant, agent, door)
        if refusal is None:
            got_through = reply.status < 300 or reply.status in (303, 400, 404, 409) or row.reach == OPEN
            assert got_through, (tenant, agent, reply)
            assert word_of_refusal(reply) not in ("tenant_mismatch", "agent_mismatch", "insufficient_role")
        else:
            assert (reply.status, word_of(reply)) == refusal, (tenant, agent)


@pytest.mark.parametrize("visitor", VISITORS)
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_who_may_do_what_through_tailscale_serve(row: Row, visitor: str, ask_at: Callable[[str], Any]) -> None:
    endpoint = next(each for each in endpoints() if each.name == row.name)
    at_serve = ask_at(SERVE)
    at_serve.headers = {"X-Forwarded-Host": "box.example.ts.net", "Origin": "https://box.example.ts.net"}
    at_serve.headers |= {"X-Forwarded-For": "100.101.102.103", **VISITORS[visitor]}
    if visitor == "the owner":
        at_serve.headers["X-CSRF-Token"] = at_serve("GET", "/v1/session").json["csrf_token"]
    as_caller = {"the owner": "signed in", "the owner without csrf": "without csrf"}.get(visitor, "none")
    reply = at_serve(row.method, row.path("home", "owner"), row.payload("home", "owner"))
    if visitor == "through Funnel":
        assert (reply.status, word_of(reply)) == (403, "funnel_refused")
    elif SERVE not in endpoint.doors:
        assert reply.status == 404
    elif row.name == "POST /v1/sign-out" and visitor == "the owner":
        assert (reply.status, word_of(reply)) == (404, "session_not_found")
    elif refusal := expected(row, as_caller, "home", "owner", SERVE):
        assert (reply.status, word_of(reply)) == refusal
    else:
        assert reply.status < 300 or reply.status in (303, 400, 404, 409) or row.reach == OPEN, reply


def word_of_refusal(reply: Any) -> str:
    return word_of(reply) if reply.status in (401, 403) else ""


def test_the_application_knows_every_module_that_has_endpoints() -> None:
    sources = {path.stem: path.read_text(encoding="utf-8") for path in Path(appliance.web.__path__[0]).glob("*.py")}
    found = {name for name, source in sources.items() if "\n@endpoint(" in source or "\n@page(" in source}
    assert found == set(ENDPOINT_MODULES)
