"""Coming in: a link works once, and leaves no trace in the address."""

from typing import Any

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [360, 1280])
def test_a_link_signs_in_and_its_ticket_leaves_the_address_and_the_history(
    house: Any, make_context: Any, width: int
) -> None:
    page = make_context(viewport={"width": width, "height": 800}).new_page()
    link = house.link()
    page.goto(link)
    page.wait_for_url(f"{house.url}/")
    assert page.get_by_role("textbox", name="Note", exact=True).is_visible()
    page.go_back()
    assert "ticket" not in page.url


def test_a_used_link_is_explained_with_what_to_do(house: Any, make_context: Any, complaints: Any) -> None:
    complaints.expect("401")
    link = house.link()
    first = make_context().new_page()
    first.goto(link)
    first.wait_for_url(f"{house.url}/")
    other = make_context().new_page()
    other.goto(link)
    other.get_by_role("heading", name="This link no longer works").wait_for()
    assert other.get_by_text("membox login-link").is_visible()
    assert "ticket" not in other.url


def test_without_a_link_the_page_says_how_to_get_one(house: Any, make_context: Any) -> None:
    page = make_context().new_page()
    page.goto(f"{house.url}/memory")
    assert page.url == f"{house.url}/sign-in"
    assert page.get_by_text("membox login-link").is_visible()


def test_signing_out_closes_every_page(house: Any, browser_page: Page) -> None:
    page = browser_page
    page.goto(f"{house.url}/devices")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{house.url}/sign-in")
    page.goto(f"{house.url}/memory")
    assert page.url == f"{house.url}/sign-in"
