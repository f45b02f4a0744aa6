"""The page Refresh: run it and watch, approve, decline, settle a rewording, take it back."""

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from appliance.config_file import set_value
from appliance.notebook.models import Note
from tests.llm_server import LlmServer, failed, good

expect.set_options(timeout=30_000)  # a model is asked in a process of its own, which takes a while to start

FILE = "GLOBAL_MEMORY.md"
RULE = "- Never push to main without asking\n"
MEMORY = f"# Memory\n\n## Hard constraints\n\n{RULE}\n## Known\n\n" + "".join(f"- fact number {n}\n" for n in range(40))


@pytest.fixture
def noted(house: Any, llm: LlmServer) -> Any:
    """A house with a model, a memory of forty facts and a note that waits."""
    box = house.box
    set_value(box.home, "llm.providers", json.dumps(["anthropic"]))
    set_value(box.home, "llm.anthropic_base_url", llm.url)
    box.secrets.set("anthropic-api-key", "sk-ant-of-the-test-1234567890")
    box.notebook.save(FILE, MEMORY, box.notebook.read(FILE).version, "me")
    box.notebook.capture(Note(text="The kettle is descaled."), "me")
    return house


def reply(text: str) -> Any:
    return good({"document": text})


def refresh(page: Page, house: Any) -> None:
    page.goto(f"{house.url}/refresh")
    page.get_by_role("button", name="Refresh now").click()


@pytest.mark.parametrize("browser_page", ["360"], indirect=True)
def test_a_refresh_is_begun_watched_and_taken_back(
    noted: Any, llm: LlmServer, browser_page: Page, picture: Any
) -> None:
    llm.will(reply(MEMORY + "- the kettle is descaled\n"))
    refresh(browser_page, noted)
    expect(browser_page.get_by_text("Everything noted has been taken into the memory.")).to_be_visible()
    expect(browser_page.locator("#queues .chip")).to_have_text("applied")
    picture(browser_page, "refresh")
    assert "kettle" in noted.box.notebook.read(FILE).text
    browser_page.get_by_role("button", name="Undo").click()
    expect(browser_page.locator("#stand strong")).to_have_text("1")
    assert noted.box.notebook.read(FILE).text == MEMORY


def test_a_large_shrink_waits_for_a_person_who_may_decline_or_approve(
    noted: Any, llm: LlmServer, browser_page: Page, picture: Any
) -> None:
    short = f"# Memory\n\n## Hard constraints\n\n{RULE}\n## Known\n\n- fact number 1\n"
    llm.will(reply(short), reply(short))
    refresh(browser_page, noted)
    browser_page.get_by_role("heading", name="For your approval").wait_for()
    picture(browser_page, "approval")
    assert noted.box.notebook.read(FILE).text == MEMORY
    browser_page.goto(f"{noted.url}/memory")
    expect(browser_page.get_by_role("link", name="1 to decide")).to_be_visible()
    browser_page.goto(f"{noted.url}/refresh")
    browser_page.get_by_role("button", name="Decline").click()
    expect(browser_page.get_by_role("heading", name="For your approval")).to_have_count(0)
    refresh(browser_page, noted)
    browser_page.get_by_role("button", name="Approve").click()
    expect(browser_page.locator("#queues .chip").first).to_have_text("applied")
    assert "fact number 30" not in noted.box.notebook.read(FILE).text


def test_a_reworded_constraint_stays_until_a_person_takes_the_wording(
    noted: Any, llm: LlmServer, browser_page: Page, picture: Any
) -> None:
    reworded = "- Never push to main without asking first\n"
    llm.will(reply(MEMORY.replace(RULE, reworded)))
    refresh(browser_page, noted)
    browser_page.get_by_role("heading", name="Reworded constraints").wait_for()
    picture(browser_page, "offers")
    assert RULE in noted.box.notebook.read(FILE).text
    browser_page.get_by_role("button", name="Take the suggestion").click()
    expect(browser_page.get_by_role("heading", name="Reworded constraints")).to_have_count(0)
    assert reworded in noted.box.notebook.read(FILE).text


def test_a_fault_of_the_provider_is_told_and_the_note_waits(noted: Any, llm: LlmServer, browser_page: Page) -> None:
    llm.will(*[failed(400)] * 4)
    refresh(browser_page, noted)
    expect(browser_page.locator("#stand .banner")).not_to_be_empty()
    expect(browser_page.locator("#stand strong")).to_have_text("1")
