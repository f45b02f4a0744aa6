"""The pages as the owner's phone has them: through Tailscale Serve, over https, without signing in."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect

from appliance.home import serve_path

pytestmark = pytest.mark.browser

URL = "https://box.example.ts.net"
MINE = "mine@example.com"
SETTINGS = f'[tailnet]\nserve = true\nhostname = "box.example.ts.net"\nowners = ["{MINE}"]\n'
NEIGHBOUR = b"""<a href="https://box.example.ts.net/devices">devices</a>
<script>
  const act = (path) => fetch("https://box.example.ts.net" + path, {method: "POST", mode: "no-cors", body: "{}"});
  const look = fetch("https://box.example.ts.net/v1/whoami", {mode: "no-cors"});
  Promise.allSettled([look, act("/v1/login-link"), act("/note")]).then(() => document.title = "tried");
</script>"""


@pytest.fixture
def house(make_house: Callable[..., Any]) -> Any:
    return make_house(settings=SETTINGS)


@pytest.fixture
def serve(house: Any, make_serve: Callable[[Path], Any]) -> Any:
    return make_serve(serve_path(house.box.home))


@pytest.fixture
def phone_browser(playwright: Playwright, chromium: str, serve: Any) -> Iterator[Browser]:
    """One that finds the box by its name in the tailnet, and takes its certificate for good."""
    rules = f"--host-resolver-rules=MAP box.example.ts.net:443 127.0.0.1:{serve.port}"
    arguments = ["--no-sandbox", rules, "--ignore-certificate-errors"]
    started = playwright.chromium.launch(executable_path=chromium, args=arguments)
    yield started
    started.close()


@pytest.fixture
def phone(phone_browser: Browser, complaints: Any) -> Iterator[BrowserContext]:
    context = phone_browser.new_context(viewport={"width": 360, "height": 740}, locale="en-GB")
    context.on("page", complaints.watch)
    yield context
    context.close()


@pytest.fixture
def neighbour() -> Iterator[str]:
    """Another site, whose pages would like to act as the owner."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(NEIGHBOUR)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        serving.join()


def test_the_owner_writes_and_makes_a_key_without_signing_in(
    house: Any, serve: Any, phone: BrowserContext, picture: Any
) -> None:
    serve.login = MINE
    page = phone.new_page()
    page.goto(URL)
    assert page.url == f"{URL}/"
    page.evaluate("navigator.serviceWorker.ready")
    page.get_by_role("textbox", name="Note", exact=True).fill("The owner's phone is on the tailnet.")
    page.get_by_role("button", name="Save note").click()
    expect(page.get_by_role("list", name="Written today, newest first")).to_contain_text("The owner's phone is on")
    assert "The owner's phone" in house.day()
    page.goto(f"{URL}/devices")
    browsers = page.get_by_role("region", name="Signed-in browsers")
    expect(browsers.get_by_role("listitem")).to_contain_text("signed in by the tailnet")
    expect(browsers.get_by_role("listitem")).to_contain_text(MINE)
    expect(browsers.get_by_role("button", name="Sign out")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    browsers.scroll_into_view_if_needed()
    picture(page, "devices-tailnet")
    page.get_by_label("Name", exact=True).fill("Watch")
    page.get_by_role("button", name="Make a key").click()
    page.get_by_role("heading", name="The key for Watch").wait_for()
    assert phone.cookies() == []


def test_anyone_else_signs_in_by_link(house: Any, serve: Any, phone: BrowserContext) -> None:
    serve.login = "other@example.com"
    page = phone.new_page()
    page.goto(URL)
    assert page.url == f"{URL}/sign-in"
    page = phone.new_page()
    page.goto(f"{URL}/sign-in#ticket={house.box.access.create_ticket().ticket}")
    page.wait_for_url(f"{URL}/")
    (cookie,) = phone.cookies()
    assert (cookie["name"], cookie["secure"], cookie["httpOnly"]) == ("__Host-membox_session", True, True)
    page.goto(f"{URL}/devices")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{URL}/sign-in")


def test_another_site_acts_for_nobody_but_may_link_here(
    house: Any, serve: Any, phone: BrowserContext, neighbour: str, complaints: Any
) -> None:
    serve.login = MINE
    complaints.expect("Failed to load resource|status of 401")
    page = phone.new_page()
    page.goto(neighbour)
    expect(page).to_have_title("tried")
    assert sorted(serve.answered) == [
        ("GET", "/v1/whoami", 401),
        ("POST", "/note", 401),
        ("POST", "/v1/login-link", 401),
    ]
    assert house.day() == ""
    page.get_by_role("link", name="devices").click()
    page.wait_for_url(f"{URL}/devices")
    expect(page.get_by_role("main")).to_contain_text(MINE)


def test_what_funnel_brings_is_told_why_it_stays_outside(serve: Any, phone: BrowserContext, complaints: Any) -> None:
    serve.login, serve.is_funnel = MINE, True
    complaints.expect("status of 403")
    page: Page = phone.new_page()
    answer = page.goto(URL)
    assert answer is not None
    assert answer.status == 403
    assert "never served to the internet" in page.content()
