"""Editing: nothing typed is lost, nothing is overwritten unseen."""

import re
from typing import Any

import pytest
from playwright.sync_api import Dialog, Locator, Page, expect

pytestmark = pytest.mark.browser

FILE = "projects/boat.md"
TEXT = "# Boat\n\nThe mast is ash.\n\nThe hull is oak.\n"


@pytest.fixture
def editing(house: Any, browser_page: Page) -> Page:
    """An editor open on a file."""
    house.box.notebook.save(FILE, TEXT, 0, "owner")
    browser_page.goto(f"{house.url}/memory/edit?path={FILE}")
    return browser_page


def text_field(page: Page) -> Locator:
    return page.get_by_label("Text of the file, in Markdown")


def stored(house: Any) -> str:
    return str(house.box.notebook.read(FILE).text)


def saved(page: Page) -> Locator:
    page.wait_for_url("**/memory?path=*")
    return page.get_by_role("article")


def test_reading_comes_first_and_editing_is_a_second_step(house: Any, browser_page: Page) -> None:
    house.box.notebook.save(FILE, TEXT, 0, "owner")
    page = browser_page
    page.goto(f"{house.url}/memory?path={FILE}")
    expect(page.get_by_role("heading", name="Boat")).to_be_visible()
    assert page.get_by_role("article").get_by_role("textbox").count() == 0
    page.keyboard.press("e")
    expect(text_field(page)).to_have_value(TEXT)


def test_saving_shows_the_changes_first(house: Any, editing: Page, picture: Any) -> None:
    text_field(editing).fill(TEXT.replace("ash", "spruce"))
    editing.get_by_role("button", name="Save…").click()
    expect(editing.get_by_role("tabpanel", name="Changes")).to_contain_text("The mast is spruce.")
    assert stored(house) == TEXT
    picture(editing, "changes")
    editing.get_by_role("button", name="Save", exact=True).click()
    expect(saved(editing)).to_contain_text("The mast is spruce.")
    assert stored(house) == TEXT.replace("ash", "spruce")


def test_ctrl_s_saves_at_once(house: Any, editing: Page) -> None:
    text_field(editing).fill(TEXT.replace("ash", "spruce"))
    editing.keyboard.press("Control+s")
    saved(editing)
    assert stored(house) == TEXT.replace("ash", "spruce")


def test_the_preview_is_rendered_and_runs_nothing(editing: Page) -> None:
    text_field(editing).fill("# Seen\n\n<script>document.title = 'run'</script>\n\n<img src=x onerror=alert(1)>\n")
    editing.get_by_role("tab", name="Preview").click()
    expect(editing.get_by_role("tabpanel", name="Preview").get_by_role("heading", name="Seen")).to_be_visible()
    assert editing.locator("#pane-preview script, #pane-preview img").count() == 0
    assert "run" not in editing.title()


def test_views_switch_by_arrow_keys(editing: Page) -> None:
    editing.get_by_role("tab", name="Write").focus()
    editing.keyboard.press("ArrowRight")
    expect(editing.get_by_role("tab", name="Preview")).to_be_focused()
    expect(editing.get_by_role("tabpanel", name="Preview")).to_be_visible()


def test_another_persons_change_elsewhere_is_merged(house: Any, editing: Page) -> None:
    text_field(editing).fill(TEXT.replace("ash", "spruce"))
    house.box.notebook.save(FILE, TEXT.replace("oak", "larch"), 1, "claude")
    editing.keyboard.press("Control+s")
    expect(editing.get_by_text("Saved, together with a change made meanwhile")).to_be_visible()
    assert stored(house) == TEXT.replace("ash", "spruce").replace("oak", "larch")


@pytest.fixture
def in_conflict(house: Any, editing: Page) -> Page:
    """The editor after both sides changed one line."""
    text_field(editing).fill(TEXT.replace("ash", "spruce"))
    house.box.notebook.save(FILE, TEXT.replace("ash", "carbon"), 1, "claude")
    editing.keyboard.press("Control+s")
    editing.get_by_role("heading", name="Changed by two").wait_for()
    return editing


@pytest.fixture(autouse=True)
def conflicts_are_logged_by_the_browser(complaints: Any) -> None:
    complaints.expect("409")


@pytest.mark.parametrize("browser_page", ["360", "1280"], indirect=True)
def test_a_conflict_shows_both_sides_and_can_be_settled(house: Any, in_conflict: Page, picture: Any) -> None:
    page = in_conflict
    expect(page.get_by_label("Your text, changed lines marked")).to_contain_text("The mast is spruce.")
    expect(page.get_by_label("Their text, changed lines marked")).to_contain_text("The mast is carbon.")
    expect(page.get_by_label("Result")).to_have_value(pytest_contains("<<<<<<<", "spruce", "carbon", ">>>>>>>"))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(page, "conflict")
    page.get_by_label("Result").fill(TEXT.replace("ash", "spruce with a carbon core"))
    page.get_by_role("button", name="Save the result").click()
    expect(saved(page)).to_contain_text("spruce with a carbon core")
    assert stored(house) == TEXT.replace("ash", "spruce with a carbon core")
    assert house.box.notebook.read(FILE).version == 3


def pytest_contains(*words: str) -> re.Pattern[str]:
    """A pattern that has these words in this order."""
    return re.compile(".*".join(map(re.escape, words)), re.DOTALL)


def test_a_conflict_can_be_settled_by_taking_one_side(house: Any, in_conflict: Page) -> None:
    in_conflict.get_by_role("button", name="Start from yours").click()
    in_conflict.get_by_role("button", name="Save the result").click()
    saved(in_conflict)
    assert stored(house) == TEXT.replace("ash", "spruce")


def test_conflict_marks_are_not_saved_by_accident(house: Any, in_conflict: Page) -> None:
    in_conflict.get_by_role("button", name="Save the result").click()
    in_conflict.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert stored(house) == TEXT.replace("ash", "carbon")


def test_a_second_conflict_while_settling_the_first_is_shown_too(house: Any, in_conflict: Page) -> None:
    house.box.notebook.save(FILE, TEXT.replace("ash", "steel"), 2, "claude")
    in_conflict.get_by_label("Result").fill(TEXT.replace("ash", "spruce"))
    in_conflict.get_by_role("button", name="Save the result").click()
    expect(in_conflict.get_by_label("Their text, changed lines marked")).to_contain_text("The mast is steel.")
    assert stored(house) == TEXT.replace("ash", "steel")


def test_leaving_with_unsaved_changes_asks(house: Any, editing: Page) -> None:
    asked = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    editing.on("dialog", stay)
    text_field(editing).press_sequentially("Unsaved. ")
    editing.get_by_role("link", name="Today").click()
    expect(text_field(editing)).to_have_value(pytest_contains("Unsaved."))
    assert asked == ["beforeunload"]


def test_leaving_without_changes_does_not_ask(house: Any, editing: Page) -> None:
    editing.on("dialog", lambda dialog: pytest.fail("asked without a reason"))
    text_field(editing).click()
    editing.get_by_role("link", name="Today").click()
    editing.wait_for_url(f"{house.url}/")


def test_what_was_typed_before_a_crash_is_offered_again(house: Any, editing: Page) -> None:
    text_field(editing).fill(TEXT + "\nThe rudder is loose.\n")
    editing.close(run_before_unload=False)
    page = editing.context.new_page()
    page.goto(f"{house.url}/memory/edit?path={FILE}")
    expect(text_field(page)).to_have_value(TEXT)
    page.get_by_role("button", name="Go on with it").click()
    expect(text_field(page)).to_have_value(TEXT + "\nThe rudder is loose.\n")
    page.keyboard.press("Control+s")
    expect(saved(page)).to_contain_text("The rudder is loose.")
    page.goto(f"{house.url}/memory/edit?path={FILE}")
    expect(page.get_by_role("button", name="Go on with it")).to_be_hidden()


def test_an_empty_save_asks_first(house: Any, editing: Page) -> None:
    text_field(editing).fill("")
    editing.keyboard.press("Control+s")
    editing.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(editing.get_by_role("button", name="Save…")).to_be_enabled()
    assert stored(house) == TEXT
    editing.keyboard.press("Control+s")
    editing.get_by_role("dialog").get_by_role("button", name="Save empty").click()
    saved(editing)
    assert stored(house) == ""


def test_without_a_connection_a_save_says_so_and_keeps_the_text(house: Any, editing: Page, complaints: Any) -> None:
    complaints.expect_offline()
    text_field(editing).fill(TEXT + "\nMore.\n")
    editing.context.set_offline(True)
    editing.keyboard.press("Control+s")
    expect(editing.get_by_text("The box cannot be reached.")).to_be_visible()
    expect(text_field(editing)).to_have_value(TEXT + "\nMore.\n")
    editing.context.set_offline(False)
    editing.keyboard.press("Control+s")
    expect(saved(editing)).to_contain_text("More.")


def test_signed_out_meanwhile_a_save_says_so_and_works_after_signing_in_again(
    house: Any, editing: Page, complaints: Any
) -> None:
    complaints.expect("401|403")
    text_field(editing).fill(TEXT + "\nMore.\n")
    for session in house.box.access.sessions():
        house.box.access.end_session(session.session_id)
    editing.keyboard.press("Control+s")
    expect(editing.get_by_text("You are signed out.")).to_be_visible()
    other = editing.context.new_page()
    other.goto(house.link())
    other.wait_for_url(f"{house.url}/")
    text_field(editing).press("Control+s")
    expect(saved(editing)).to_contain_text("More.")


def test_a_new_file_is_made_and_a_bad_name_is_explained(house: Any, browser_page: Page, complaints: Any) -> None:
    complaints.expect("422")
    page = browser_page
    page.goto(f"{house.url}/memory/edit")
    page.get_by_label("Where it goes").fill("projects/garden")
    text_field(page).fill("# Garden\n")
    page.keyboard.press("Control+s")
    expect(page.get_by_role("alert").filter(has_text="must end in .md")).to_be_visible()
    page.get_by_label("Where it goes").fill("projects/garden.md")
    page.keyboard.press("Control+s")
    expect(saved(page)).to_contain_text("Garden")
    assert house.box.notebook.read("projects/garden.md").text == "# Garden\n"


def test_forgetting_a_section_asks_twice_and_removes_it_from_every_version(house: Any, browser_page: Page) -> None:
    house.box.notebook.save(FILE, "# Boat\n\n## Lock\n\nThe code is 4711.\n\n## Hull\n\nOak.\n", 0, "owner")
    page = browser_page
    page.goto(f"{house.url}/memory?path={FILE}")
    page.get_by_label(f"More about {FILE}").click()
    page.get_by_role("button", name="Forget a section…").click()
    page.get_by_role("combobox", name="Section").select_option(label="\u2003Lock")
    page.get_by_role("dialog").get_by_role("button", name="Forget it").click()
    page.get_by_role("dialog", name="Really forget").get_by_role("button", name="Forget it").click()
    expect(page.get_by_text("Forgotten")).to_be_visible()
    assert "4711" not in stored(house) + house.box.notebook.past.version(FILE, 1)
    assert "Oak." in stored(house)
