"""Tailscale Serve's door: whom its word makes the owner, and everything that tries to forge it.

Where headers matter byte by byte the box really listens, behind a stand-in that does what Serve's source does.
"""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.box import Box, open_box
from appliance.config import load_config
from appliance.principal import Role
from appliance.web.app import make_app
from appliance.web.endpoint import CAPTURE, LOCAL, SERVE, SOCKET, WEB, endpoints
from appliance.web.tailnet import decoded, is_of_another_machine, receive

pytestmark = pytest.mark.usefixtures("no_faults")

NAME = "box.example.ts.net"
MINE, OTHER = "mine@example.com", "other@example.com"
WHOAMI, LINK = "/v1/whoami", "/v1/login-link"
OWNER = {"tenant_id": "home", "agent_id": "owner", "role": "admin", "owner": True}
SETTINGS = f"""
[tailnet]
serve = true
hostname = "{NAME}"
owners = ["Mine@example.com", "müller@example.com"]
[daemon]
web_hosts = ["Memory.example.org"]
"""
PHONE = "100.101.102.103"
SAID = {"Host": "localhost", "X-Forwarded-Host": NAME, "X-Forwarded-For": PHONE, "X-Forwarded-Proto": "https"}
OF_MINE = {**SAID, "Tailscale-User-Login": MINE}
NOBODY = (
    "",
    " ",
    OTHER,
    "mine",
    "@example.com",
    "mine@example.com.evil.example",
    "mine@example.com\0",
    "tagged-devices",
    "*",
    f"{MINE}, {MINE}",
    f"{MINE},{MINE}",
    f", {MINE}",
    f"{MINE} ",
    f'"{MINE}"',
    f"{MINE};",
    "mıne@example.com",
    "muller@example.com",
    "müller@example.com",
    "m\xc3\xbcller@example.com",
    "=?utf-8?q?M=C3=9Cller@example.com?=",
    "=?utf-8?q?mine=40example.com?=",
    "=?utf-8?q?mine?=@example.com",
    "=?utf-8?b?YWxpY2VAZXhhbXBsZS5jb20=?=",
    "=?iso-8859-1?q?m=FCller@example.com?=",
    "=?utf-8?q?m=FCller@example.com?=",
    "=?utf-8?q?m=C3=BCller@example.com",
    "=?utf-8?q?m=C3=BCller@example.com?=, =?utf-8?q?m=C3=BCller@example.com?=",
    "=?utf-8?q?m=C3=BCller@example.com?=.evil.example",
    "x =?utf-8?q?m=C3=BCller@example.com?=",
    "=?utf-8?q??=",
)
OWN_ADDRESSES = ("127.0.0.1", "::1", "127.8.8.8", "0.0.0.0", "::")


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    home = Path(tmp_path_factory.mktemp("home"))
    (home / "config.toml").write_text(SETTINGS, encoding="utf-8")
    opened = open_box(home)
    yield opened
    opened.close()


@pytest.fixture
def at_serve(ask_at: Callable[[str], Any]) -> Any:
    """What Serve lets through, in tests where it need not be bytes."""
    return ask_at(SERVE)


@pytest.fixture
def mine(at_serve: Any) -> Any:
    """The owner, on one of the box's pages."""
    at_serve.headers = dict(OF_MINE)
    token = at_serve("GET", "/v1/session").json["csrf_token"]
    at_serve.headers |= {"Origin": f"https://{NAME}", "X-CSRF-Token": token}
    return at_serve


class TestTheOwner:
    def test_needs_no_signing_in(self, mine: Any) -> None:
        assert mine("GET", WHOAMI).json == OWNER
        page = mine("GET", "/devices")
        assert page.status == 200
        assert b"signed in by the tailnet" in page.body
        assert MINE.encode() in page.body

    def test_changes_things_with_a_page_s_token(self, mine: Any) -> None:
        assert mine("POST", LINK).json["url"].startswith(f"https://{NAME}/sign-in#ticket=")
        token = mine.headers["X-CSRF-Token"]
        assert f'content="{token}"' in mine("GET", "/").body.decode()

    def test_has_nothing_to_sign_out_of(self, mine: Any) -> None:
        reply = mine("POST", "/v1/sign-out")
        assert (reply.status, reply.detail) == (404, "session_not_found")
        assert "tailnet" in reply.json["message"]
        assert mine("GET", WHOAMI).json == OWNER

    def test_is_whom_a_key_says_when_one_is_sent(self, mine: Any, key_of: Callable[..., str]) -> None:
        key = key_of(Role.READER)
        assert mine("GET", WHOAMI, headers={"Authorization": f"Bearer {key}"}).json["role"] == "reader"
        wrong = mine("GET", WHOAMI, headers={"Authorization": "Bearer wrong"})
        assert (wrong.status, wrong.detail) == (401, "invalid_api_key")

    @pytest.mark.parametrize("login", ["mine@example.com", "MINE@EXAMPLE.COM", "=?utf-8?q?m=C3=BCller@example.com?="])
    def test_is_known_by_the_login_in_any_case_of_ascii(self, at_serve: Any, login: str) -> None:
        assert at_serve("GET", WHOAMI, headers={**SAID, "Tailscale-User-Login": login}).json == OWNER

    @pytest.mark.parametrize("login", NOBODY)
    def test_is_nobody_else(self, at_serve: Any, login: str) -> None:
        reply = at_serve("GET", WHOAMI, headers={**SAID, "Tailscale-User-Login": login})
        assert (reply.status, reply.detail) == (401, "missing_api_key")

    def test_is_not_made_of_letters_that_unicode_folds_into_the_owner_s(
        self, box: Box, tmp_path: Path, at_serve: Any
    ) -> None:
        text = f'[tailnet]\nserve = true\nhostname = "{NAME}"\nowners = ["kim@example.com", "søk@example.com"]\n'
        at_serve.app = make_app(_with_settings(box, tmp_path, text), SERVE)
        for login in ("=?utf-8?q?=E2=84=AAim@example.com?=", "=?utf-8?q?s=C3=B8=E2=84=AA@example.com?="):
            assert decoded(login).casefold() in ("kim@example.com", "søk@example.com")
            assert at_serve("GET", WHOAMI, headers={**SAID, "Tailscale-User-Login": login}).status == 401

    def test_is_nobody_while_none_is_named(self, box: Box, tmp_path: Path, at_serve: Any) -> None:
        at_serve.app = make_app(_with_settings(box, tmp_path, f'[tailnet]\nserve = true\nhostname = "{NAME}"\n'), SERVE)
        for login in (MINE, "", "()", "owner"):
            assert at_serve("GET", WHOAMI, headers={**SAID, "Tailscale-User-Login": login}).status == 401


class TestOthersOnTheTailnet:
    def test_come_in_by_key(self, at_serve: Any, key_of: Callable[..., str]) -> None:
        headers = {**SAID, "Tailscale-User-Login": OTHER, "Authorization": f"Bearer {key_of(Role.WRITER)}"}
        assert at_serve("GET", WHOAMI, headers=headers).json["role"] == "writer"

    def test_come_in_by_link_and_a_cookie_that_only_this_host_can_set(self, at_serve: Any, box: Box) -> None:
        assert at_serve("GET", "/", headers=SAID).headers["location"] == "/sign-in"
        ticket = {"ticket": box.access.create_ticket().ticket}
        signed_in = at_serve("POST", "/v1/sign-in", ticket, {**SAID, "Origin": f"https://{NAME}"})
        cookie = signed_in.headers["set-cookie"]
        assert cookie.startswith("__Host-membox_session=")
        assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
        pair = cookie.partition(";")[0]
        assert at_serve("GET", WHOAMI, headers={**SAID, "Cookie": pair}).json == OWNER
        plain = pair.removeprefix("__Host-")
        assert at_serve("GET", WHOAMI, headers={**SAID, "Cookie": plain}).status == 401
        out = at_serve(
            "POST",
            "/v1/sign-out",
            headers={
                **SAID,
                "Cookie": pair,
                "Origin": f"https://{NAME}",
                "X-CSRF-Token": signed_in.json["csrf_token"],
            },
        )
        assert "__Host-membox_session=; " in out.headers["set-cookie"]

    def test_the_cookie_of_plain_http_has_its_own_name(self, ask: Any, box: Box) -> None:
        reply = ask("POST", "/v1/sign-in", {"ticket": box.access.create_ticket().ticket})
        assert reply.headers["set-cookie"].startswith("membox_session=")


class TestAnotherSite:
    """What the tailnet vouches for goes with every request a browser makes, as no SameSite cookie would."""

    @pytest.mark.parametrize("origin", ["", "null", "https://evil.example", f"http://{NAME}", f"https://{NAME}:8443"])
    def test_changes_nothing(self, mine: Any, origin: str) -> None:
        reply = mine("POST", LINK, headers={"Origin": origin})
        assert (reply.status, reply.detail) == (403, "origin_not_allowed")

    @pytest.mark.parametrize("token", ["", "wrong", "0" * 64])
    def test_knows_no_token(self, mine: Any, token: str) -> None:
        assert mine("POST", LINK, headers={"X-CSRF-Token": token}).detail == "csrf_failed"

    def test_cannot_use_another_person_s_token(self, mine: Any) -> None:
        other = {**SAID, "Tailscale-User-Login": "=?utf-8?q?m=C3=BCller@example.com?="}
        assert mine("POST", LINK, headers=other).detail == "csrf_failed"

    @pytest.mark.parametrize("site", ["cross-site", "same-site"])
    def test_asks_as_nobody_but_may_link_to_a_page(self, mine: Any, site: str) -> None:
        image = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
        assert mine("GET", WHOAMI, headers=image).status == 401
        frame = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
        assert mine("GET", "/", headers=frame).status == 303
        link = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        assert mine("GET", "/", headers=link).status == 200
        assert mine("POST", LINK, headers=link).status == 401
        assert mine("GET", "/", headers={**image, "Sec-Fetch-Site": "same-origin"}).status == 200


class TestHost:
    @pytest.mark.parametrize("host", [NAME, NAME.upper(), "box", f"{NAME}:443", "memory.example.org"])
    def test_the_box_s_names_are_allowed(self, at_serve: Any, host: str) -> None:
        assert at_serve("GET", WHOAMI, headers={**OF_MINE, "X-Forwarded-Host": host}).status == 200

    @pytest.mark.parametrize(
        "host", ["", "localhost", "127.0.0.1", "evil.example", "100.64.0.1", f"{NAME}.evil.example", f"{NAME}, {NAME}"]
    )
    @pytest.mark.parametrize("path", [WHOAMI, "/healthz", "/", "/sign-in", "/static/app.js"])
    def test_others_are_not_whatever_is_asked(self, at_serve: Any, host: str, path: str) -> None:
        reply = at_serve("GET", path, headers={**OF_MINE, "X-Forwarded-Host": host})
        assert (reply.status, reply.detail) == (403, "host_not_allowed")

    def test_without_serve_s_word_for_it_the_host_itself_counts(self, at_serve: Any) -> None:
        assert at_serve("GET", "/healthz", headers={"Host": NAME}).status == 200
        assert at_serve("GET", "/healthz", headers={"Host": "localhost"}).status == 403


class TestTheBoxItself:
    """Serve takes what runs on the box for the person to whom the box belongs; the agent runs there."""

    @pytest.mark.parametrize("address", [*OWN_ADDRESSES, "", "somewhere", f"{PHONE}, 5.6.7.8"])
    def test_is_not_the_owner(self, at_serve: Any, address: str) -> None:
        assert at_serve("GET", WHOAMI, headers={**OF_MINE, "X-Forwarded-For": address}).status == 401

    def test_is_told_from_others_by_what_it_can_bind_to(self) -> None:
        assert is_of_another_machine("100.101.102.103")
        assert is_of_another_machine("fd7a:115c:a1e0::1")
        for address in _own_addresses():
            assert not is_of_another_machine(address)

    def test_an_address_that_cannot_be_tried_is_taken_for_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: Any) -> None:
            raise OSError(24, "Too many open files")

        monkeypatch.setattr(socket, "socket", full)
        assert not is_of_another_machine("100.101.102.103")


class TestFunnel:
    @pytest.mark.parametrize("door", [SERVE, WEB, CAPTURE, SOCKET, LOCAL])
    def test_is_refused_at_every_endpoint_of_every_door(
        self, ask_at: Callable[[str], Any], key_of: Callable[..., str], door: str
    ) -> None:
        headers = {**OF_MINE, "Tailscale-Funnel-Request": "?1", "Authorization": f"Bearer {key_of(Role.ADMIN)}"}
        at_door = ask_at(door)
        for each in endpoints():
            reply = at_door(each.method, each.template.replace("{", "").replace("}", ""), headers=headers)
            assert (reply.status, reply.detail) == (403, "funnel_refused"), each.name
            assert reply.json["message"].count(".") == 1
        assert at_door("GET", "/nowhere", headers=headers).status == 403

    @pytest.mark.parametrize("value", ["", "?0", "?1, ?1", "no"])
    def test_is_refused_whatever_its_mark_says(self, at_serve: Any, value: str) -> None:
        reply = at_serve("GET", "/healthz", headers={**OF_MINE, "Tailscale-Funnel-Request": value})
        assert reply.detail == "funnel_refused"


@pytest.mark.parametrize("door", [WEB, CAPTURE, SOCKET])
def test_at_no_other_door_does_anyone_become_the_owner_by_a_header(ask_at: Callable[[str], Any], door: str) -> None:
    headers = {**OF_MINE, "Host": NAME, "Tailscale-User-Name": "Mine", "X-Webauth-User": MINE}
    for each in endpoints():
        if door in each.doors and each.reach.value not in ("open",):
            reply = ask_at(door)(each.method, each.template.replace("{", "").replace("}", ""), headers=headers)
            assert reply.status in (303, 401, 403), each.name


@pytest.mark.parametrize("door", [WEB, SERVE, SOCKET])
def test_nothing_but_the_header_says_who_it_is(ask_at: Callable[[str], Any], door: str) -> None:
    forged = {"membox.tailnet_login": MINE}
    host = {} if door != SERVE else SAID
    assert ask_at(door)("GET", WHOAMI, headers=host, **forged).status == 401
    assert ask_at(door)("GET", WHOAMI, headers={**host, **forged}).status == 401


@pytest.mark.parametrize("door", [WEB, SERVE, CAPTURE, SOCKET, LOCAL])
def test_serve_s_headers_end_at_the_door(door: str) -> None:
    environ = {"HTTP_TAILSCALE_USER_LOGIN": MINE, "HTTP_TAILSCALE_APP_CAPABILITIES": "{}", "HTTP_HOST": NAME}
    receive(environ, door)
    assert [name for name in environ if "TAILSCALE" in name] == []


def test_at_the_box_s_own_socket_only_keys_count(
    ask_at: Callable[[str], Any], signed_in: Callable[[], Any], key_of: Callable[..., str]
) -> None:
    at_socket = ask_at(SOCKET)
    assert at_socket("GET", WHOAMI, headers=signed_in().headers).detail == "missing_api_key"
    assert at_socket("GET", WHOAMI, headers={"Authorization": f"Bearer {key_of(Role.READER)}"}).status == 200


def _own_addresses() -> set[str]:
    """This machine's addresses, as it says itself."""
    found = {"127.0.0.1", "::1"}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))  # sends nothing; chooses the address it would send from
        except OSError:
            return found
        return found | {sock.getsockname()[0]}


def _with_settings(box: Box, home: Path, text: str) -> Any:
    (home / "config.toml").write_text(text, encoding="utf-8")
    fields = {
        name: getattr(box, name) for name in ("home", "clock", "database", "memory", "metrics", "notebook", "access")
    }
    return SimpleNamespace(**fields, config=load_config(home, {}))
