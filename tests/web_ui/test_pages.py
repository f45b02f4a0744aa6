"""Every page, on a phone and on a desk, by day and by night: calm, complete, and inside its frame."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from appliance.daemon import health
from appliance.daemon.findings import error, ok, warn
from appliance.memory.registry_models import ModelKind, ModelRequest
from appliance.notebook.models import Note

pytestmark = pytest.mark.browser

STATIC = Path(__file__).parents[2] / "appliance" / "web" / "static"
PAGES = {
    "today": "/",
    "files": "/memory",
    "memory": "/memory?path=GLOBAL_MEMORY.md",
    "project": "/memory?path=projects/greenhouse.md#L6",
    "edit": "/memory/edit?path=GLOBAL_MEMORY.md",
    "new-file": "/memory/edit",
    "search": "/search?q=backup of the photo archive",
    "nothing-found": "/search?q=zebra",
    "history": "/history",
    "change": "/history/change?path=GLOBAL_MEMORY.md&number=3",
    "version": "/history/version?path=GLOBAL_MEMORY.md&number=2",
    "lines": "/history/lines?path=GLOBAL_MEMORY.md",
    "devices": "/devices",
    "activity": "/activity",
    "phone": "/phone#key=mbx_Ab3dE6gH_0123456789012345678901234567890123456789012",
    "offline": "/offline",
}
SIZES = {"360": {"width": 360, "height": 740}, "1280": {"width": 1280, "height": 800}}
NASTY = f"""# {"Unbreakable" * 30}

https://example.org/{"very-long-path/" * 30}

`{"code_without_a_space_" * 20}`

| {" | ".join(f"a wide column {n}" for n in range(12))} |
|{"---|" * 12}
| {" | ".join("value" for _ in range(12))} |

- {"W" * 300}

```
{"x = 1; " * 60}
```
"""


SHOWING_WHAT_OTHERS_WROTE = (
    "/",
    "/memory?path=evil.md",
    "/memory/edit?path=evil.md",
    "/search?q=script",
    "/search?q=<script>document.body.remove()</script>",
    "/history?path=evil.md",
    "/history/change?path=evil.md&number=1",
    "/history/version?path=evil.md&number=1",
    "/history/lines?path=evil.md",
    "/devices",
)


SMALLER_THAN_A_THUMB = """
    [...document.querySelectorAll("button, .button, .tabs a, summary, select, .back, .rows a.name")]
        .map(each => [each.textContent.trim(), each.getBoundingClientRect()])
        .filter(([, box]) => box.width && (box.height < 44 || box.width < 44))
        .map(([text, box]) => `${text}: ${box.width} × ${box.height}`)
"""


def inside_its_frame(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@pytest.mark.parametrize("size", SIZES)
def test_every_page_renders_without_complaint_inside_its_frame(
    lived_in: Any, sign_in: Callable[..., Page], picture: Callable[..., None], size: str
) -> None:
    page = sign_in(lived_in, viewport=SIZES[size])
    for name, path in PAGES.items():
        page.goto("about:blank")
        page.goto(lived_in.url + path)
        page.wait_for_load_state("networkidle")
        assert inside_its_frame(page), name
        assert page.locator("main").inner_text().strip(), name
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            picture(page, name, scheme)


@pytest.mark.parametrize("path", ["/", "/memory?path={day}", "/search?q=unbreakable", "/history/lines?path={day}"])
def test_text_that_cannot_be_broken_stays_inside_a_phone(house: Any, sign_in: Callable[..., Page], path: str) -> None:
    title = f"Unbreakable{'title' * 30}"
    house.box.notebook.capture(Note(text=NASTY, title=title, url=f"https://example.org/{'a' * 500}"), "owner")
    page = sign_in(house, viewport=SIZES["360"])
    page.goto(house.url + path.format(day=house.box.notebook.today()))
    expect(page.get_by_text("Unbreakable").first).to_be_visible()
    assert inside_its_frame(page)


def test_no_button_is_smaller_than_a_thumb(lived_in: Any, sign_in: Callable[..., Page]) -> None:
    page = sign_in(lived_in, viewport=SIZES["360"])
    for name, path in PAGES.items():
        page.goto("about:blank")
        page.goto(lived_in.url + path)
        assert page.evaluate(SMALLER_THAN_A_THUMB) == [], name


SHIFTED = """new Promise(done => new PerformanceObserver(list => done(
    list.getEntries().reduce((sum, entry) => sum + entry.value, 0))).observe({type: "layout-shift", buffered: true})
    || setTimeout(() => done(0), 500))"""


@pytest.mark.parametrize("size", SIZES)
def test_nothing_moves_while_a_page_loads(lived_in: Any, sign_in: Callable[..., Page], size: str) -> None:
    page = sign_in(lived_in, viewport=SIZES[size])
    for name in ("today", "memory", "edit", "search", "devices"):
        page.goto("about:blank")
        page.goto(lived_in.url + PAGES[name])
        page.wait_for_load_state("networkidle")
        assert page.evaluate(SHIFTED) < 0.01, name


def test_the_whole_site_is_reached_by_keyboard(lived_in: Any, sign_in: Callable[..., Page]) -> None:
    page = sign_in(lived_in)
    page.goto(f"{lived_in.url}/memory")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("/")
    page.wait_for_url(f"{lived_in.url}/search")
    page.keyboard.type("thermostat")
    page.keyboard.press("Enter")
    expect(page.locator(".result").filter(has_text="Home Assistant")).to_be_visible()


def test_a_search_shows_why_and_leads_to_the_line(lived_in: Any, sign_in: Callable[..., Page]) -> None:
    page = sign_in(lived_in)
    page.goto(f"{lived_in.url}/search?q=insulate wall")
    result = page.locator(".result").filter(has_text="insulate the north wall")
    assert result.locator("mark").all_inner_texts() == ["insulate", "wall"]
    expect(result).to_contain_text("matches insulate, wall")
    result.locator("a.where").click()
    page.wait_for_url("**/memory?path=projects/greenhouse.md#L*")
    expect(page.locator("#document .found")).to_contain_text(re.compile("Heater|Greenhouse|insulate"))


def test_a_search_says_what_contradicts_and_whom_it_trusts(lived_in: Any, sign_in: Callable[..., Page]) -> None:
    page = sign_in(lived_in)
    page.goto(f"{lived_in.url}/search?q=backup of the photo archive runs")
    expect(page.get_by_text("These may contradict each other:").first).to_contain_text("02:00")
    page.goto(f"{lived_in.url}/search?q=Petter wires")
    expect(page.locator(".result").filter(has_text="Petter wires the greenhouse")).to_contain_text("untrusted web")


def test_a_result_is_judged_by_keyboard_without_leaving_the_page(house: Any, sign_in: Callable[..., Page]) -> None:
    house.box.notebook.capture(Note(text="The wombat's burrow has a second door"), "owner")
    page = sign_in(house)
    page.goto(f"{house.url}/search?q=wombat")
    form = page.locator(".result").first.get_by_role("form", name="Did this help?")
    useless = form.get_by_role("button", name="Not helpful")
    useless.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("the next training learns from it")).to_be_visible()
    expect(useless).to_have_attribute("aria-pressed", "true")
    expect(form.get_by_role("button", name="Helpful", exact=True)).to_have_attribute("aria-pressed", "false")
    owner = house.box.access.owner
    asked = ModelRequest(tenant_id="home", agent_id=owner.agent_id)
    summary = house.box.registry.state(owner, ModelKind.RERANKER, asked).signal_summary
    assert summary == {"reranker-baseline-v1": {"helpful.count": 1.0, "helpful.avg": 0.0}}


def test_a_result_is_judged_without_scripts_too(
    house: Any, sign_in: Callable[..., Page], make_context: Callable[..., BrowserContext]
) -> None:
    house.box.notebook.capture(Note(text="The wombat's burrow has a second door"), "owner")
    signed_in = sign_in(house).context.storage_state()
    page = make_context(java_script_enabled=False, storage_state=signed_in).new_page()
    page.goto(f"{house.url}/search?q=wombat")
    page.get_by_role("button", name="Helpful", exact=True).first.click()
    page.wait_for_url("**/search?q=wombat#mem_*")
    expect(page.locator(".result").first).to_contain_text("second door")


def test_what_others_wrote_is_shown_not_run(house: Any, sign_in: Callable[..., Page]) -> None:
    evil = "<script>document.body.remove()</script> <img src=x onerror=document.body.remove()>"
    house.box.notebook.capture(Note(text=evil + " [link](javascript:document.body.remove())", title=evil), "owner")
    house.box.notebook.save("evil.md", f"# {evil}\n\n{evil}\n", 0, "<b>owner</b>")
    house.box.access.create_key(f"{evil}", "home", "x", house.box.access.owner.role)
    page = sign_in(house)
    for path in SHOWING_WHAT_OTHERS_WROTE:
        page.goto(house.url + path)
        expect(page.get_by_text(re.compile("document.body.remove|<b>owner</b>")).first).to_be_attached()
        assert page.locator("main script, main img, main b").count() == 0, path


def test_the_box_says_how_it_is(house: Any, browser_page: Page) -> None:
    shown = browser_page.locator("#health")
    expect(shown).to_have_attribute("data-state", re.compile("well|notice|trouble"))
    shown.locator("summary").click()
    expect(shown.get_by_role("listitem").first).to_be_visible()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_box_names_its_faults_with_their_remedies(
    lived_in: Any,
    sign_in: Callable[..., Page],
    picture: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    size: str,
    scheme: str,
) -> None:
    faults = [
        error("units", "membox-agent.service has failed (exit-code).", "`sudo journalctl -u membox-agent` says why."),
        warn(
            "tailnet", "The box's key ends on 2026-12-01.", "Choose it at https://login.tailscale.com/admin/machines."
        ),
        ok("memory", "2.1 GB of 4.1 GB of memory are available."),
    ]
    monkeypatch.setattr(health, "machine_findings", lambda _machine, _deep: faults)
    page = sign_in(lived_in, viewport=SIZES[size], color_scheme=scheme)
    shown = page.locator("#health")
    shown.locator("summary").click()
    expect(shown.get_by_role("listitem").first).to_contain_text("membox-agent.service has failed")
    expect(shown.locator("code").first).to_have_text("sudo journalctl -u membox-agent")
    link = shown.get_by_role("link", name="login.tailscale.com/admin/machines", exact=True)
    expect(link).to_have_attribute("href", "https://login.tailscale.com/admin/machines")
    expect(link).to_have_attribute("rel", "noreferrer")
    assert inside_its_frame(page)
    picture(page, "health", scheme)


def test_the_pages_can_be_installed(house: Any, browser_page: Page) -> None:
    session = browser_page.context.new_cdp_session(browser_page)
    manifest = session.send("Page.getAppManifest")
    assert manifest["errors"] == []
    found = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert [each["errorId"] for each in found if each["errorId"] != "in-incognito"] == []


def test_the_shell_has_everything_its_page_needs(house: Any, browser_page: Page, complaints: Any) -> None:
    complaints.expect_outage()
    page = browser_page
    page.reload()
    house.switch_off()
    missing: list[str] = []
    page.on("requestfailed", lambda request: missing.append(request.url))
    page.goto(f"{house.url}/")
    expect(page.get_by_role("heading", name="Offline")).to_be_visible()
    page.wait_for_load_state("networkidle")
    # Not the icon, which the browser may fetch past the service worker.
    assert [url for url in missing if url.endswith((".js", ".css"))] == []


def test_a_page_is_light(house: Any, browser_page: Page) -> None:
    sizes: list[tuple[str, int]] = []
    page = browser_page.context.new_page()
    page.on("response", lambda answer: sizes.append((answer.url, len(answer.body()))))
    page.goto(f"{house.url}/")
    page.wait_for_load_state("networkidle")
    assert sum(size for _, size in sizes) < 60_000, sizes


def luminance(colour: str) -> float:
    channels = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(scheme: str) -> None:
    """WCAG 2.2, 1.4.3: at least 4.5 to 1."""
    css = (STATIC / "membox.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[0] + (blocks[1] if scheme == "dark" else "")))
    pairs = [(text, ground) for text in ("ink", "soft", "accent") for ground in ("paper", "sheet")]
    pairs += [("on-accent", "accent"), ("accent", "wash"), ("warn", "warn-wash"), ("ink", "mark"), ("ink", "added")]
    pairs += [("ink", "removed"), ("good", "added"), ("bad", "removed"), ("bad", "sheet"), ("bad", "paper")]
    for text, ground in pairs:
        light, dark = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)
