"""Devices and keys: made, shown once, used, taken back."""

import json
import urllib.request
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from appliance.principal import Role

pytestmark = pytest.mark.browser


def make_key(page: Page, house: Any, name: str = "My phone") -> str:
    page.goto(f"{house.url}/devices")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Make a key").click()
    page.get_by_role("heading", name=f"The key for {name}").wait_for()
    return page.locator("#new-key-value").inner_text()


@pytest.mark.parametrize("browser_page", ["360", "1280"], indirect=True)
def test_a_capture_key_is_shown_once_with_a_code_and_takes_notes(house: Any, browser_page: Page, picture: Any) -> None:
    page = browser_page
    key = make_key(page, house)
    assert page.locator("#new-key-qr svg").is_visible()
    picture(page, "new-key")
    request = urllib.request.Request(
        f"{house.url}/note",
        json.dumps({"text": "From the Shortcut.", "source": "iphone"}).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "Idempotency-Key": "20261120-1"},
    )
    assert json.load(urllib.request.urlopen(request))["ok"] is True
    assert "From the Shortcut." in house.day()
    page.reload()
    assert key not in page.content()
    expect(page.get_by_role("listitem").filter(has_text="My phone")).to_contain_text("capture")


def test_the_phones_page_has_the_key_ready_and_keeps_it_out_of_the_address(
    house: Any, browser_page: Page, make_context: Any
) -> None:
    key = make_key(browser_page, house)
    link = browser_page.get_by_role("link", name="Open the set-up here").get_attribute("href")
    phone = make_context(viewport={"width": 360, "height": 740}).new_page()
    phone.goto(link)
    expect(phone.get_by_text(f"Bearer {key}")).to_be_visible()
    expect(phone.get_by_text(f"{house.url}/note")).to_be_visible()
    assert key not in phone.url


def test_an_agents_key_has_its_agent_and_role(house: Any, browser_page: Page) -> None:
    page = browser_page
    page.goto(f"{house.url}/devices")
    page.get_by_label("Name", exact=True).fill("Laptop")
    page.get_by_label("It may").select_option("writer")
    page.get_by_label("As which agent").fill("claude")
    page.get_by_role("button", name="Make a key").click()
    page.get_by_role("heading", name="The key for Laptop").wait_for()
    assert page.locator("#new-key-qr").is_hidden()
    principal = house.box.access.principal_of_key(page.locator("#new-key-value").inner_text())
    assert (principal.agent_id, principal.role) == ("claude", Role.WRITER)


def test_a_revoked_key_is_out_at_once(house: Any, browser_page: Page) -> None:
    page = browser_page
    key = make_key(page, house)
    page.reload()
    page.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("No keys yet.")).to_be_visible()
    assert house.box.access.principal_of_key(key) is None


def test_another_browser_is_let_in_and_signed_out_again(house: Any, browser_page: Page, make_context: Any) -> None:
    page = browser_page
    page.goto(f"{house.url}/devices")
    page.get_by_role("button", name="Sign in another browser…").click()
    page.get_by_role("heading", name="Open this on the other device").wait_for()
    assert page.locator("#new-link-qr svg").is_visible()
    other = make_context().new_page()
    other.goto(page.locator("#new-link-value").inner_text())
    other.wait_for_url(f"{house.url}/")
    page.reload()
    browsers = page.get_by_role("region", name="Signed-in browsers").get_by_role("listitem")
    expect(browsers).to_have_count(2)
    browsers.filter(has_not_text="this one").get_by_role("button", name="Sign out").click()
    page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    expect(browsers).to_have_count(1)
    other.goto(f"{house.url}/memory")
    assert other.url == f"{house.url}/sign-in"
