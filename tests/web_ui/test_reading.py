"""Reading on a phone: ticking tasks, finding lines word for word, what a line was before, and writing by thumb."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

FILE = "tasks/todo.md"
TASKS = "# To do\n\n- [ ] water the herbs\n- [x] call the plumber\n"


@pytest.fixture
def tasks(house: Any) -> int:
    """The version of the file with the tasks."""
    notebook = house.box.notebook
    version: int = notebook.save(FILE, TASKS, notebook.read(FILE).version, "me").version
    return version


@pytest.mark.parametrize("browser_page", ["360"], indirect=True)
@pytest.mark.usefixtures("tasks")
def test_a_task_is_ticked_by_a_tap_and_can_be_undone(house: Any, browser_page: Page, picture: Any) -> None:
    browser_page.goto(f"{house.url}/memory?path={FILE}")
    boxes = browser_page.get_by_role("checkbox")
    boxes.nth(0).check()
    expect(browser_page.locator(".todo").nth(0)).to_have_class("todo done")
    boxes.nth(1).uncheck()
    expect(browser_page.locator("#document")).to_have_attribute("data-version", "4")
    assert house.box.notebook.read(FILE).text == "# To do\n\n- [x] water the herbs\n- [ ] call the plumber\n"
    picture(browser_page, "tasks")
    house.box.notebook.undo(FILE, "me")
    assert "[x] call" in house.box.notebook.read(FILE).text


def test_a_task_ticked_on_an_old_page_is_found_where_it_is_now(house: Any, browser_page: Page, tasks: int) -> None:
    browser_page.goto(f"{house.url}/memory?path={FILE}")
    house.box.notebook.save(FILE, TASKS.replace("- [ ]", "- [ ] buy soil\n- [ ]", 1), tasks, "me")
    browser_page.get_by_role("checkbox").nth(0).check()
    expect(browser_page.locator(".todo.done", has_text="water the herbs")).to_be_visible()
    assert "- [ ] buy soil\n- [x] water the herbs" in house.box.notebook.read(FILE).text


def test_a_task_that_was_changed_meanwhile_stays_and_says_so(
    house: Any, browser_page: Page, tasks: int, complaints: Any
) -> None:
    complaints.expect("409")
    browser_page.goto(f"{house.url}/memory?path={FILE}")
    house.box.notebook.save(FILE, TASKS.replace("water the herbs", "water all of it"), tasks, "me")
    browser_page.get_by_role("checkbox").nth(0).click()
    expect(browser_page.locator("#toast")).to_contain_text("changed meanwhile")
    expect(browser_page.get_by_role("checkbox").nth(0)).not_to_be_checked()


@pytest.mark.parametrize("browser_page", ["360"], indirect=True)
@pytest.mark.usefixtures("tasks")
def test_lines_are_found_word_for_word_and_lead_to_their_place(house: Any, browser_page: Page, picture: Any) -> None:
    browser_page.goto(f"{house.url}/search?q=HERBS+water")
    browser_page.get_by_label("Word for word").check()
    browser_page.get_by_role("button", name="Search", exact=True).click()
    found = browser_page.locator(".context")
    expect(found.locator("mark")).to_have_text(["water", "herbs"])
    expect(found).to_contain_text("call the plumber")
    picture(browser_page, "search-exact")
    found.click()
    expect(browser_page.locator(".found")).to_contain_text("water the herbs")
    browser_page.goto(f"{house.url}/search?q=heliotrope&exact=true")
    expect(browser_page.get_by_text("No line of the notebook has")).to_be_visible()


def test_a_line_tells_what_it_was_before(house: Any, browser_page: Page, tasks: int) -> None:
    house.box.notebook.save(FILE, TASKS.replace("herbs", "herbs and the fern"), tasks, "scout")
    browser_page.goto(f"{house.url}/history/lines?path={FILE}")
    browser_page.locator("#L3 a.num").click()
    expect(browser_page.locator(".told")).to_have_text(["- [ ] water the herbs and the fern", "- [ ] water the herbs"])


@pytest.mark.usefixtures("tasks")
def test_a_thumb_writes_lists_headings_and_tasks(house: Any, sign_in: Any, picture: Any) -> None:
    page = sign_in(house, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page.goto(f"{house.url}/memory/edit?path={FILE}")
    text = page.locator("#text")
    text.press("Control+End")
    text.press_sequentially("milk")
    bar = page.get_by_role("toolbar", name="Markdown")
    bar.get_by_role("button", name="Task").tap()
    text.press("Enter")
    text.press_sequentially("bread")
    text.press("Enter")
    text.press("Enter")
    bar.get_by_role("button", name="Heading").tap()
    text.press_sequentially("Later")
    picture(page, "strokes")
    assert text.input_value() == TASKS + "- [ ] milk\n- [ ] bread\n## Later"
    bar.get_by_role("button", name="Undo typing").tap()
    assert text.input_value() != TASKS + "- [ ] milk\n- [ ] bread\n## Later"


RULES = "# Memory\n\n## Hard constraints\n\n- Never push to main\n- Always ask before paying\n\n## Other\n\n- tea\n"


@pytest.fixture
def rules(house: Any) -> None:
    notebook = house.box.notebook
    notebook.save("GLOBAL_MEMORY.md", RULES, notebook.read("GLOBAL_MEMORY.md").version, "me")


@pytest.mark.usefixtures("rules")
def test_hard_constraints_are_marked_and_taking_one_away_is_told(house: Any, browser_page: Page, picture: Any) -> None:
    browser_page.goto(f"{house.url}/memory")
    expect(browser_page.locator(".constraint")).to_have_text(["Never push to main", "Always ask before paying"])
    picture(browser_page, "constraints")
    browser_page.goto(f"{house.url}/memory/edit?path=GLOBAL_MEMORY.md")
    browser_page.locator("#text").fill(RULES.replace("- Never push to main\n", "").replace("tea", "coffee"))
    browser_page.get_by_role("tab", name="Changes").click()
    warning = browser_page.locator("#pane-changes .banner")
    expect(warning).to_contain_text("takes a hard constraint away")
    expect(warning.get_by_role("listitem")).to_have_text(["Never push to main"])
    picture(browser_page, "constraint-gone")
