import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from appliance.box import Box, open_box
from appliance.clock import Clock, system_clock
from appliance.daemon.schedule import mirror_now
from appliance.home import serve_path
from appliance.lease import make_home
from appliance.memory.models import NewItem, RememberRequest
from appliance.notebook.models import Note
from appliance.principal import Role
from appliance.web.server import Server

playwright_api = pytest.importorskip("playwright.sync_api")
from playwright.sync_api import Browser, BrowserContext, Page, Playwright  # noqa: E402

SAMPLE = Path(__file__).parent / "sample"
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
SIZES = {"360": {"width": 360, "height": 740}, "1280": {"width": 1280, "height": 800}}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and "browser_page" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


@dataclass
class House:
    """A box that really listens, which can be switched off and on again at the same address."""

    box: Box
    port: int = 0
    _server: Server | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def switch_on(self) -> None:
        self._server = Server(self.box)
        self.port = self._server.listen("127.0.0.1", self.port)
        if self.box.config.tailnet.serve:
            self._server.listen_serve(serve_path(self.box.home), os.getuid())
        self._thread = threading.Thread(target=self._server.serve)
        self._thread.start()

    def switch_off(self) -> None:
        if self._server is None or self._thread is None:
            return
        self._server.stop()
        self._thread.join(timeout=15)
        assert not self._thread.is_alive()
        self._server = None

    def link(self) -> str:
        return f"{self.url}/sign-in#ticket={self.box.access.create_ticket().ticket}"

    def day(self) -> str:
        """The text of today's file."""
        paths = [info.path for info in self.box.notebook.documents()]
        today = self.box.notebook.today()
        return self.box.notebook.read(today).text if today in paths else ""


@dataclass
class Complaints:
    """What the browser's console said that it should not have; `expected` are those a test provokes."""

    heard: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def expect(self, pattern: str) -> None:
        self.expected.append(pattern)

    def expect_outage(self) -> None:
        """What a browser says when the box is switched off, by the moment at which it notices."""
        self.expect("ERR_CONNECTION_(REFUSED|RESET|CLOSED|ABORTED)|ERR_EMPTY_RESPONSE|ERR_SOCKET_NOT_CONNECTED")

    def expect_offline(self) -> None:
        """What it says of whatever a page asks for, be it the box's health, while the device has no connection."""
        self.expect("ERR_INTERNET_DISCONNECTED")

    def unexpected(self) -> list[str]:
        return [line for line in self.heard if not any(re.search(pattern, line) for pattern in self.expected)]

    def watch(self, page: Page) -> None:
        page.on("console", lambda said: self.heard.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.heard.append(str(error)))


@pytest.fixture
def make_house(empty_database: Path, tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Opens boxes in homes of their own and serves them."""
    houses: list[House] = []

    def make(clock: Clock = system_clock, settings: str = "") -> House:
        home = tmp_path / f"home{len(houses)}"
        make_home(home)
        mirror = tmp_path / f"mirror{len(houses)}"
        settings += f'[core]\ntimezone = "Europe/Stockholm"\n[daemon]\nbackup_mirror_path = "{mirror}"\n'
        (home / "config.toml").write_text(settings)
        shutil.copy(empty_database, home / "membox.db")
        houses.append(House(open_box(home, clock)))
        houses[-1].switch_on()
        return houses[-1]

    yield make
    for house in houses:
        house.switch_off()
        house.box.close()


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    return make_house()


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with playwright_api.sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    yield started
    started.close()


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    kept = Complaints()
    yield kept
    assert kept.unexpected() == []


@pytest.fixture
def make_context(browser: Browser, complaints: Complaints) -> Iterator[Callable[..., BrowserContext]]:
    """Opens browsers that know nothing yet; what their consoles complain of fails the test."""
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        context = browser.new_context(
            **{"viewport": SIZES["1280"], "timezone_id": "Europe/Stockholm", "locale": "en-GB", **options}
        )
        context.on("page", complaints.watch)
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def sign_in(make_context: Callable[..., BrowserContext]) -> Callable[..., Page]:
    """A signed-in browser at Today, its service worker in charge unless blocked."""

    def sign_in_at(house: House, **options: Any) -> Page:
        page = make_context(**options).new_page()
        page.goto(house.link())
        page.wait_for_url(f"{house.url}/")
        if options.get("service_workers") != "block":
            page.evaluate("navigator.serviceWorker.ready")
        return page

    return sign_in_at


@pytest.fixture
def browser_page(request: pytest.FixtureRequest, house: House, sign_in: Callable[..., Page]) -> Page:
    """A browser signed in to `house`: on a desk, or of the width a test is parametrised with."""
    return sign_in(house, viewport=SIZES[getattr(request, "param", "1280")])


class Hands:
    """A clock that a test sets."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment

    def at(self, month: int, day: int, hour: int, minute: int = 0) -> None:
        self.moment = datetime(2026, month, day, hour, minute, tzinfo=UTC)


@pytest.fixture
def lived_in(make_house: Callable[..., House]) -> House:
    """A box that somebody has used for a while; it is 20 November 2026, 10:41 in Stockholm."""
    clock = Hands(datetime(2026, 11, 14, 8, tzinfo=UTC))
    house = make_house(clock)
    box = house.box
    _keep_files(box, clock)
    clock.at(11, 19, 15)
    box.notebook.capture(Note(text="The heater is ordered, it comes on Tuesday."), "owner")
    for note in json.loads((SAMPLE / "notes.json").read_text()):
        hour, minute = map(int, note.pop("time").split(":"))
        clock.at(11, 20, hour - 1, minute)
        box.notebook.capture(Note(**note), "iphone")
    clock.at(11, 20, 9, 41)
    _remember(box)
    mirror_now(box)
    box.access.create_key("iPhone", "home", "iphone", Role.CAPTURE)
    box.access.create_key("Claude on anvil", "home", "claude", Role.WRITER)
    return house


def _keep_files(box: Box, clock: Hands) -> None:
    def save(path: str, text: str, author: str) -> None:
        version = next((info.version for info in box.notebook.documents() if info.path == path), 0)
        box.notebook.save(path, text, version, author)

    texts = {file.relative_to(SAMPLE).as_posix(): file.read_text() for file in sorted(SAMPLE.rglob("*.md"))}
    memory = texts.pop("GLOBAL_MEMORY.md")
    save("GLOBAL_MEMORY.md", memory.replace("restic instead of borg, because the VPS has no borg", "borg"), "owner")
    for day, (path, text) in enumerate(texts.items(), 16):
        clock.at(11, day, 19)
        save(path, text, "owner")
    clock.at(11, 19, 17, 42)
    save("GLOBAL_MEMORY.md", memory, "claude")


def _remember(box: Box) -> None:
    items = [
        NewItem(type="fact", text="The backup of the photo archive runs at 02:00."),
        NewItem(type="fact", text="The backup of the photo archive runs at 04:30."),
        NewItem(
            type="event",
            text="Petter wires the greenhouse heater on Tuesday after 15:00.",
            trust_level="untrusted_web",
            source_ref="https://mail.example.org/inbox/3",
        ),
    ]
    request = RememberRequest(tenant_id="home", agent_id="owner", scope="team", items=items)
    box.memory.remember(box.access.owner, request)


@pytest.fixture
def picture() -> Callable[..., None]:
    """Keeps a picture of a page in build/screenshots, to be looked at."""

    def take(page: Page, name: str, scheme: str = "") -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        width = page.viewport_size["width"] if page.viewport_size else "any"
        page.screenshot(path=SCREENSHOTS / f"{name}-{width}{scheme and '-'}{scheme}.png")

    return take
