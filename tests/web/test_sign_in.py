"""Who is let in as whom: keys, links, cookies, Hosts and Origins."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.access import Access
from appliance.access.keys import make_key
from appliance.access.wrong_keys import WrongKeys
from appliance.box import Box
from appliance.config import load_config
from appliance.principal import Role
from appliance.web.app import make_app
from appliance.web.endpoint import SOCKET, Door

pytestmark = pytest.mark.usefixtures("no_faults")

WHOAMI = "/v1/whoami"
OWNER = {"tenant_id": "home", "agent_id": "owner", "role": "admin", "owner": True}


@pytest.fixture
def door_of(ask: Any) -> Callable[[Any], Any]:
    """A stranger at the door of another application."""
    return lambda app: type(ask)(app)


def cookie_in(reply: Any) -> str:
    return str(reply.headers["set-cookie"])


class TestSignIn:
    def test_a_link_signs_in_once_and_sets_the_cookie(self, signed_in: Callable[[], Any], ask: Any) -> None:
        link = signed_in()("POST", "/v1/login-link").json
        assert link["url_path"].startswith("/sign-in#ticket=")
        assert link["url"] == f"http://127.0.0.1:8080{link['url_path']}"
        ticket = link["url_path"].partition("=")[2]
        reply = ask("POST", "/v1/sign-in", {"ticket": ticket})
        assert reply.status == 200
        cookie = cookie_in(reply)
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
        token = cookie.partition(";")[0]
        assert ask("GET", WHOAMI, headers={"Cookie": token}).json == OWNER
        again = ask("POST", "/v1/sign-in", {"ticket": ticket})
        assert (again.status, again.detail) == (401, "invalid_ticket")
        assert "set-cookie" not in again.headers

    def test_over_https_the_cookie_is_secure(self, box: Box, ask: Any) -> None:
        body = {"ticket": box.access.create_ticket().ticket}
        reply = ask("POST", "/v1/sign-in", body, **{"wsgi.url_scheme": "https"})
        assert "Secure" in cookie_in(reply).split("; ")

    def test_a_claimed_https_counts_for_nothing(self, box: Box, ask: Any) -> None:
        body = {"ticket": box.access.create_ticket().ticket}
        assert "Secure" not in cookie_in(ask("POST", "/v1/sign-in", body, {"X-Forwarded-Proto": "https"}))

    @pytest.mark.parametrize("body", [{}, {"ticket": ""}, {"ticket": 7}, {"ticket": "x" * 5000}, {"ticket": "\0"}])
    def test_a_bad_ticket_is_422(self, ask: Any, body: Any) -> None:
        assert ask("POST", "/v1/sign-in", body).status == 422

    def test_another_site_cannot_sign_a_browser_in(self, box: Box, ask: Any) -> None:
        ticket = box.access.create_ticket().ticket
        for origin in ("http://evil.example", "null", "http://127.0.0.1:9999", "http://127.0.0.1.evil.example:8080"):
            reply = ask("POST", "/v1/sign-in", {"ticket": ticket}, {"Origin": origin})
            assert (reply.status, reply.detail) == (403, "origin_not_allowed")
        assert ask("POST", "/v1/sign-in", {"ticket": ticket}, {"Origin": "http://127.0.0.1:8080"}).status == 200

    def test_the_device_is_named_after_the_browser(self, box: Box, ask: Any) -> None:
        agent = "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari"
        ask("POST", "/v1/sign-in", {"ticket": box.access.create_ticket().ticket}, {"User-Agent": agent})
        ask("POST", "/v1/sign-in", {"ticket": box.access.create_ticket().ticket, "device": "kitchen tablet"})
        assert {"Chrome on Android", "kitchen tablet"} <= {each.device for each in box.access.sessions()}

    def test_signing_out_ends_the_session_and_clears_the_cookie(self, signed_in: Callable[[], Any]) -> None:
        browser = signed_in()
        reply = browser("POST", "/v1/sign-out")
        assert reply.status == 200
        assert "Max-Age=0" in cookie_in(reply)
        assert browser("GET", WHOAMI).detail == "missing_api_key"

    def test_a_device_is_signed_out_from_another(self, signed_in: Callable[[], Any]) -> None:
        lost, kept = signed_in(), signed_in()
        listed = kept("GET", "/v1/sessions").json["sessions"]
        assert [each["current"] for each in listed].count(True) == 1
        mine = next(each["session_id"] for each in lost("GET", "/v1/sessions").json["sessions"] if each["current"])
        assert kept("DELETE", f"/v1/sessions/{mine}").status == 200
        assert lost("GET", WHOAMI).status == 401
        assert kept("GET", WHOAMI).status == 200
        assert kept("DELETE", f"/v1/sessions/{mine}").detail == "session_not_found"


class TestCookies:
    def test_a_read_needs_no_csrf_token(self, signed_in: Callable[[], Any]) -> None:
        browser = signed_in()
        browser.headers = {"Cookie": browser.headers["Cookie"]}
        assert browser("GET", WHOAMI).json == OWNER

    @pytest.mark.parametrize("token", ["", "wrong", "é", "x" * 10_000])
    def test_a_change_without_the_sessions_csrf_token_is_refused(
        self, signed_in: Callable[[], Any], token: str
    ) -> None:
        reply = signed_in()("POST", "/v1/login-link", headers={"X-CSRF-Token": token})
        assert (reply.status, reply.detail) == (403, "csrf_failed")

    def test_another_sessions_csrf_token_does_not_help(self, signed_in: Callable[[], Any]) -> None:
        one, two = signed_in(), signed_in()
        reply = one("POST", "/v1/login-link", headers={"X-CSRF-Token": two.headers["X-CSRF-Token"]})
        assert reply.detail == "csrf_failed"

    @pytest.mark.parametrize("origin", ["", "null", "http://evil.example", "http://127.0.0.1", "http://[::1", "x"])
    def test_a_change_from_another_origin_is_refused(self, signed_in: Callable[[], Any], origin: str) -> None:
        reply = signed_in()("POST", "/v1/login-link", headers={"Origin": origin})
        assert (reply.status, reply.detail) == (403, "origin_not_allowed")

    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "localhost.evil.example", "192.0.2.7:8080"])
    def test_under_a_foreign_name_a_cookie_counts_for_nothing(
        self, signed_in: Callable[[], Any], host: str, method: str
    ) -> None:
        path = "/v1/sessions" if method == "GET" else "/v1/login-link"
        reply = signed_in()(method, path, headers={"Host": host, "Origin": f"http://{host}"})
        assert (reply.status, reply.detail) == (403, "host_not_allowed")

    @pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:9", "[::1]:8080", "[::1]", "LOCALHOST"])
    def test_the_boxs_own_names_are_allowed(self, signed_in: Callable[[], Any], host: str) -> None:
        headers = {"Host": host, "Origin": f"http://{host}"}
        assert signed_in()("POST", "/v1/login-link", headers=headers).status == 200

    @pytest.mark.parametrize("cookie", ["", "membox_session", "membox_session=", "a=b; membox_session=no", "=;;=", "é"])
    def test_a_broken_cookie_is_no_cookie(self, ask: Any, cookie: str) -> None:
        reply = ask("GET", WHOAMI, headers={"Cookie": cookie})
        assert (reply.status, reply.detail) == (401, "missing_api_key")

    def test_the_cookie_is_found_among_others(self, signed_in: Callable[[], Any]) -> None:
        browser = signed_in()
        cookie = f"a=b; {browser.headers['Cookie']}; c=d"
        assert browser("GET", WHOAMI, headers={"Cookie": cookie}).status == 200


class TestPages:
    def test_nobody_sees_a_page_before_signing_in(self, ask: Any, key_of: Callable[..., str]) -> None:
        for headers in ({}, {"Authorization": f"Bearer {key_of(Role.ADMIN)}"}, {"Cookie": "membox_session=x"}):
            reply = ask("GET", "/memory", headers=headers)
            assert (reply.status, reply.headers["location"], reply.body) == (303, "/sign-in", b"")

    def test_a_page_keeps_the_browser_on_a_short_leash(self, ask: Any) -> None:
        reply = ask("GET", "/sign-in")
        assert reply.status == 200
        policy = reply.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        for ending in ("form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
            assert ending in policy
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["referrer-policy"] == "same-origin"

    def test_no_page_is_served_under_a_foreign_name(self, ask: Any, signed_in: Callable[[], Any]) -> None:
        for browser in (ask, signed_in()):
            for path in ("/", "/sign-in"):
                reply = browser("GET", path, headers={"Host": "evil.example"})
                assert (reply.status, reply.detail) == (403, "host_not_allowed")

    def test_a_page_carries_its_sessions_csrf_token(self, signed_in: Callable[[], Any]) -> None:
        browser = signed_in()
        assert browser.headers["X-CSRF-Token"] in browser("GET", "/").body.decode()


class TestKeys:
    @pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER   {}"])
    def test_a_bearer_key_is_understood(self, ask: Any, key_of: Callable[..., str], form: str) -> None:
        reply = ask("GET", WHOAMI, headers={"Authorization": form.format(key_of(Role.READER))})
        assert reply.json == {"tenant_id": "home", "agent_id": "me", "role": "reader", "owner": False}

    def test_existing_clients_header_is_understood(self, ask: Any, key_of: Callable[..., str]) -> None:
        assert ask("GET", WHOAMI, headers={"x-brainstem-api-key": key_of(Role.READER)}).status == 200

    @pytest.mark.parametrize("form", ["{}", "Basic {}", "Bearer", "Bearer {} {}", "Bearer a, Bearer {}", "Token {}"])
    def test_an_authorization_of_another_form_is_a_wrong_key(
        self, ask: Any, key_of: Callable[..., str], form: str
    ) -> None:
        key = key_of(Role.READER)
        headers = {"Authorization": form.format(key, key), "x-brainstem-api-key": key}
        reply = ask("GET", WHOAMI, headers=headers)
        assert (reply.status, reply.detail) == (401, "invalid_api_key")

    @pytest.mark.parametrize("headers", [{}, {"Authorization": ""}, {"x-brainstem-api-key": " "}])
    def test_no_key_is_a_missing_key(self, ask: Any, headers: dict[str, str]) -> None:
        assert ask("GET", WHOAMI, headers=headers).detail == "missing_api_key"

    def test_a_key_needs_no_host_origin_or_csrf_token(self, as_role: Callable[..., Any]) -> None:
        headers = {"Host": "box.tailnet.example", "Origin": "http://evil.example"}
        assert as_role(Role.ADMIN)("POST", "/v1/keys", {"name": "n", "role": "reader"}, headers).status == 200

    def test_identity_headers_are_nobody_and_go_no_further(
        self, ask: Any, app: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        headers = {"Tailscale-User-Login": "owner@example.com", "Tailscale-User-Name": "Owner"}
        assert ask("GET", WHOAMI, headers=headers).detail == "missing_api_key"
        seen: list[dict[str, Any]] = []
        monkeypatch.setattr(app._gate, "admit", lambda request: seen.append(dict(request.environ)))
        ask("GET", "/healthz", headers={**headers, "X-Other": "kept"})
        assert [name for name in seen[0] if "TAILSCALE" in name] == []
        assert seen[0]["HTTP_X_OTHER"] == "kept"

    def test_a_key_counts_from_the_next_request_until_it_is_revoked(
        self, as_role: Callable[..., Any], ask: Any
    ) -> None:
        admin = as_role(Role.ADMIN)
        made = admin("POST", "/v1/keys", {"name": "laptop", "role": "writer"}).json
        assert {"key_id", "key", "name", "tenant_id", "agent_id", "role"} == set(made)
        headers = {"Authorization": f"Bearer {made['key']}"}
        assert ask("GET", WHOAMI, headers=headers).json["agent_id"] == "laptop"
        assert admin("DELETE", f"/v1/keys/{made['key_id']}").json == {"key_id": made["key_id"], "revoked": True}
        assert ask("GET", WHOAMI, headers=headers).detail == "invalid_api_key"

    def test_a_list_shows_no_secret(self, as_role: Callable[..., Any]) -> None:
        admin = as_role(Role.ADMIN)
        made = admin("POST", "/v1/keys", {"name": "listed", "role": "reader"}).json
        listed = admin("GET", "/v1/keys")
        assert made["key_id"].encode() in listed.body
        assert made["key"][13:].encode() not in listed.body

    def test_only_the_owner_makes_and_sees_other_tenants_keys(
        self, as_role: Callable[..., Any], signed_in: Callable[[], Any]
    ) -> None:
        body = {"name": "theirs", "role": "admin", "tenant_id": "acme"}
        refused = as_role(Role.ADMIN)("POST", "/v1/keys", body)
        assert (refused.status, refused.detail) == (403, "tenant_mismatch")
        made = signed_in()("POST", "/v1/keys", body).json
        assert made["key_id"] in str(signed_in()("GET", "/v1/keys").json)
        assert made["key_id"] not in str(as_role(Role.ADMIN)("GET", "/v1/keys").json)
        assert as_role(Role.ADMIN)("DELETE", f"/v1/keys/{made['key_id']}").status == 404
        assert signed_in()("DELETE", f"/v1/keys/{made['key_id']}").status == 200

    def test_the_owners_key_file_opens_everything_of_the_owner(self, box: Box, ask: Any) -> None:
        key = make_key().key
        box.access.accept_owner_key(key)
        headers = {"Authorization": f"Bearer {key}"}
        assert ask("GET", WHOAMI, headers=headers).json == OWNER
        assert ask("POST", "/v1/login-link", headers=headers).status == 200


class TestWrongKeys:
    @pytest.fixture
    def strict(self, box: Box, door_of: Callable[[Any], Any]) -> Any:
        return door_of(make_app(box, Door("web", WrongKeys(allowed=3))))

    def test_too_many_wrong_keys_are_429_and_a_right_one_never(self, strict: Any, key_of: Callable[..., str]) -> None:
        wrong, right = ({"Authorization": f"Bearer {key}"} for key in ("wrong", key_of(Role.READER)))
        statuses = [strict("GET", WHOAMI, headers=wrong).status for _ in range(5)]
        assert statuses == [401, 401, 401, 429, 429]
        limited = strict("GET", WHOAMI, headers=wrong)
        assert limited.detail == "too_many_wrong_keys"
        assert int(limited.headers["retry-after"]) > 0
        assert strict("GET", WHOAMI, headers=right).status == 200
        assert strict("GET", WHOAMI).detail == "missing_api_key"

    def test_wrong_tickets_count_alike(self, strict: Any, box: Box) -> None:
        statuses = [strict("POST", "/v1/sign-in", {"ticket": "guess"}).status for _ in range(4)]
        assert statuses == [401, 401, 401, 429]
        assert strict("POST", "/v1/sign-in", {"ticket": box.access.create_ticket().ticket}).status == 200

    def test_one_clients_guesses_do_not_count_against_another(self, strict: Any) -> None:
        wrong = {"Authorization": "Bearer wrong"}
        for _ in range(5):
            strict("GET", WHOAMI, headers=wrong)
        assert strict("GET", WHOAMI, headers=wrong, REMOTE_ADDR="192.0.2.99").status == 401

    def test_the_note_door_says_so_in_its_own_form(self, strict: Any) -> None:
        replies = [strict("POST", "/note", {"text": "x"}, {"X-Memsync-Token": "wrong"}) for _ in range(4)]
        assert [reply.status for reply in replies] == [401, 401, 401, 429]
        assert replies[3].json == {"error": "too_many_wrong_keys"}


class TestModes:
    @pytest.fixture
    def box_without_lock(self, box: Box) -> Any:
        fields = {
            name: getattr(box, name)
            for name in ("home", "config", "clock", "database", "memory", "metrics", "notebook")
        }
        return SimpleNamespace(**fields, access=Access(box.database, box.clock, mode="disabled"))

    @pytest.fixture
    def unlocked(self, box_without_lock: Any, door_of: Callable[[Any], Any]) -> Any:
        return door_of(make_app(box_without_lock))

    def test_without_auth_the_caller_is_whom_it_names(self, unlocked: Any) -> None:
        body = {"tenant_id": "any", "agent_id": "one", "scope": "global", "items": [{"type": "fact", "text": "wide"}]}
        assert unlocked("POST", "/v0/memory/remember", body).status == 200
        assert unlocked("GET", "/v0/meta").json["auth_mode"] == "disabled"
        assert unlocked("POST", "/note", {"text": "hello"}).status == 200
        assert unlocked("GET", "/v1/keys", headers={"Authorization": "whatever"}).status == 200

    def test_without_auth_other_sites_stay_outside(self, unlocked: Any) -> None:
        reply = unlocked("POST", "/note", {"text": "x"}, {"Origin": "http://evil.example"})
        assert (reply.status, reply.json) == (403, {"error": "origin_not_allowed"})
        assert unlocked("GET", "/v1/keys", headers={"Host": "evil.example"}).detail == "host_not_allowed"

    def test_without_auth_the_boxs_own_socket_still_wants_a_key(
        self, box_without_lock: Any, door_of: Callable[[Any], Any]
    ) -> None:
        at_socket = door_of(make_app(box_without_lock, Door(SOCKET)))
        for path in ("/v1/secrets", "/v1/keys"):
            assert at_socket("GET", path).detail == "missing_api_key"

    def test_the_owners_command_line_needs_no_key(self, ask_at: Callable[[str], Any]) -> None:
        assert ask_at("local")("GET", WHOAMI).json == OWNER
        assert ask_at("socket")("GET", WHOAMI).detail == "missing_api_key"

    def test_given_keys_count(self, box: Box, tmp_path: Path, door_of: Callable[[Any], Any]) -> None:
        given = json.dumps({"k1": {"tenant_id": "acme", "agent_id": "bot", "role": "writer"}})
        config = load_config(tmp_path, {"BRAINSTEM_API_KEYS": given})
        fields = {name: getattr(box, name) for name in ("home", "clock", "database", "memory", "metrics", "notebook")}
        access = Access(box.database, box.clock, given_keys=config.given_keys)
        with_given: Any = SimpleNamespace(**fields, config=config, access=access)
        reply = door_of(make_app(with_given))("GET", WHOAMI, headers={"x-brainstem-api-key": "k1"})
        assert reply.json == {"tenant_id": "acme", "agent_id": "bot", "role": "writer", "owner": False}

    @pytest.mark.parametrize(
        ("settings", "host", "status"),
        [
            ('web_hosts = ["box.tail.example"]', "box.tail.example", 200),
            ('web_hosts = ["box.tail.example"]', "other.tail.example", 403),
            ('web_ui_host = "0.0.0.0"', "192.168.1.5:8080", 200),
            ('web_ui_host = "0.0.0.0"', "[fd00::5]:8080", 200),
            ('web_ui_host = "0.0.0.0"', "raspberry.example", 403),
            ('web_ui_host = "192.168.1.5"', "192.168.1.5:8080", 200),
            ("", "192.168.1.5:8080", 403),
        ],
    )
    def test_a_box_on_a_network_answers_to_its_addresses_and_given_names(
        self, box: Box, tmp_path: Path, door_of: Callable[[Any], Any], settings: str, host: str, status: int
    ) -> None:
        (tmp_path / "config.toml").write_text(f"[daemon]\n{settings}\n", encoding="utf-8")
        fields = {
            name: getattr(box, name)
            for name in ("home", "clock", "database", "memory", "metrics", "notebook", "access")
        }
        elsewhere: Any = SimpleNamespace(**fields, config=load_config(tmp_path, {}))
        assert door_of(make_app(elsewhere))("GET", "/sign-in", headers={"Host": host}).status == status

    def test_without_the_web_ui_only_the_api_answers(
        self, box: Box, tmp_path: Path, door_of: Callable[[Any], Any]
    ) -> None:
        (tmp_path / "config.toml").write_text("[daemon]\nweb_ui_enabled = false\n", encoding="utf-8")
        fields = {
            name: getattr(box, name)
            for name in ("home", "clock", "database", "memory", "metrics", "notebook", "access")
        }
        plain: Any = SimpleNamespace(**fields, config=load_config(tmp_path, {}))
        door = door_of(make_app(plain))
        assert [door("GET", path).status for path in ("/", "/sign-in", "/memory")] == [404, 404, 404]
        assert door("GET", "/healthz").status == 200
