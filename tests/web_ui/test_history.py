"""Looking back: every version can be seen, compared and restored."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

FILE = "projects/boat.md"


@pytest.fixture
def page(house: Any, browser_page: Page) -> Page:
    """A browser, and a file of three versions."""
    for version, wood in enumerate(("ash", "spruce", "carbon")):
        house.box.notebook.save(FILE, f"# Boat\n\nThe mast is {wood}.\n", version, "owner")
    return browser_page


@pytest.mark.parametrize("browser_page", ["360", "1280"], indirect=True)
def test_an_old_version_is_found_looked_at_and_restored(house: Any, page: Page, picture: Any) -> None:
    page.goto(f"{house.url}/history")
    page.get_by_label("File").select_option(FILE)
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name=FILE).last.click()
    expect(page.get_by_label("Changed lines")).to_contain_text("The mast is ash.")
    page.get_by_role("button", name="Restore version 1").click()
    picture(page, "restore")
    page.get_by_role("dialog").get_by_role("button", name="Restore").click()
    expect(page.get_by_role("article")).to_contain_text("The mast is ash.")
    assert house.box.notebook.read(FILE).text == "# Boat\n\nThe mast is ash.\n"
    assert house.box.notebook.read(FILE).version == 4


def test_a_change_shows_both_lines_and_can_be_compared_with_now(house: Any, page: Page) -> None:
    page.goto(f"{house.url}/history/change?path={FILE}&number=2")
    changed = page.get_by_label("Changed lines")
    expect(changed).to_contain_text("The mast is ash.")
    expect(changed).to_contain_text("The mast is spruce.")
    page.goto(f"{house.url}/history/change?path={FILE}&number=1")
    page.get_by_role("link", name="Compare with now").click()
    expect(changed).to_contain_text("The mast is ash.")
    expect(changed).to_contain_text("The mast is carbon.")


def test_the_last_change_is_undone(house: Any, page: Page) -> None:
    page.goto(f"{house.url}/memory?path={FILE}")
    page.get_by_label(f"More about {FILE}").click()
    page.get_by_role("button", name="Undo the last change").click()
    page.get_by_role("dialog").get_by_role("button", name="Undo it").click()
    expect(page.get_by_role("article")).to_contain_text("The mast is spruce.")


def test_lines_say_who_wrote_them(house: Any, page: Page) -> None:
    house.box.notebook.save(FILE, "# Boat\n\nThe mast is carbon.\nAnd light.\n", 3, "claude")
    page.goto(f"{house.url}/history/lines?path={FILE}")
    expect(page.get_by_role("row").filter(has_text="And light.")).to_contain_text("claude")
    expect(page.get_by_role("row").filter(has_text="# Boat")).to_contain_text("owner")


def test_what_is_not_there_is_said_on_a_page(house: Any, page: Page, complaints: Any) -> None:
    complaints.expect("404")
    page.goto(f"{house.url}/memory?path=nowhere.md")
    expect(page.get_by_role("heading", name="Not there")).to_be_visible()
