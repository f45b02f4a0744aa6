"""Capture: whatever the connection does, each note arrives once."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from appliance import hold

pytestmark = pytest.mark.browser


def write(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="Note", exact=True).fill(text)
    page.get_by_role("button", name="Save note").click()


def written_today(page: Page) -> Locator:
    return page.get_by_role("list", name="Written today, newest first").get_by_role("listitem")


def waiting(page: Page) -> Locator:
    return page.get_by_role("list", name="Waiting for a connection").get_by_role("listitem")


def test_a_note_appears_in_the_day_and_in_its_file(house: Any, browser_page: Page) -> None:
    write(browser_page, "The spare key is with Birgit.")
    expect(written_today(browser_page).first).to_contain_text("The spare key is with Birgit.")
    assert house.day().count("The spare key is with Birgit.") == 1
    expect(browser_page.get_by_role("textbox", name="Note", exact=True)).to_have_value("")


def test_title_tags_and_link_are_kept_with_the_note(house: Any, browser_page: Page) -> None:
    page = browser_page
    page.get_by_role("button", name="Title, tags, link").click()
    page.get_by_label("Title", exact=True).fill("Frost")
    page.get_by_label("Tags, with commas between").fill("garden, #heater")
    page.get_by_label("Link it came from").fill("https://weather.example.org/uppsala")
    write(page, "Minus six on Thursday.")
    expect(written_today(page).first).to_contain_text("Minus six on Thursday.")
    assert "**Frost** · #garden #heater · from <https://weather.example.org/uppsala>" in house.day()


def test_a_note_needs_no_mouse(house: Any, browser_page: Page) -> None:
    page = browser_page
    page.goto(f"{house.url}/memory")
    page.keyboard.press("n")
    page.wait_for_url(f"{house.url}/")
    expect(page.get_by_role("textbox", name="Note", exact=True)).to_be_focused()
    page.keyboard.type("Typed, not clicked.")
    page.keyboard.press("Control+Enter")
    expect(written_today(page).first).to_contain_text("Typed, not clicked.")


@pytest.mark.parametrize("browser_page", ["360", "1280"], indirect=True)
def test_notes_written_offline_arrive_once_when_the_connection_is_back(
    house: Any, browser_page: Page, picture: Any, complaints: Any
) -> None:
    complaints.expect_offline()
    page = browser_page
    page.context.set_offline(True)
    for number in range(3):
        write(page, f"Offline note {number}.")
        expect(waiting(page)).to_have_count(number + 1)
    expect(page.get_by_text("3 notes wait for a connection.")).to_be_visible()
    picture(page, "waiting")
    assert house.day() == ""
    page.context.set_offline(False)
    expect(written_today(page)).to_have_count(3)
    expect(waiting(page)).to_have_count(0)
    assert [house.day().count(f"Offline note {number}.") for number in range(3)] == [1, 1, 1]


def test_two_tabs_that_come_back_together_deliver_each_note_once(
    house: Any, browser_page: Page, complaints: Any
) -> None:
    complaints.expect_offline()
    other = browser_page.context.new_page()
    other.goto(f"{house.url}/")
    browser_page.context.set_offline(True)
    write(browser_page, "From the first tab.")
    expect(waiting(browser_page)).to_have_count(1)
    write(other, "From the second tab.")
    expect(waiting(other)).to_have_count(2)
    browser_page.context.set_offline(False)
    expect(written_today(other)).to_have_count(2)
    expect(written_today(browser_page)).to_have_count(2)
    assert house.day().count("(captured)") == 2


@pytest.fixture
def page_alone(house: Any, sign_in: Any, complaints: Any) -> Any:
    """A page without a service worker, which would deliver behind a test's back."""
    complaints.expect("Service Worker registration blocked by Playwright")
    return sign_in(house, service_workers="block")


def test_a_lost_answer_does_not_store_a_note_twice(house: Any, page_alone: Page, complaints: Any) -> None:
    complaints.expect("ERR_FAILED")
    page = page_alone

    def store_but_lose_the_answer(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/note", store_but_lose_the_answer)
    write(page, "Said once.")
    expect(page.get_by_text("Waiting for a connection")).to_be_visible()
    expect(waiting(page)).to_have_count(1)
    assert house.day().count("Said once.") == 1
    page.unroute("**/note")
    page.reload()
    expect(written_today(page)).to_have_count(1)
    expect(waiting(page)).to_have_count(0)
    assert house.day().count("Said once.") == 1


def test_a_note_waits_for_a_held_box_and_arrives_once_when_it_takes_writes_again(
    house: Any, page_alone: Page, complaints: Any
) -> None:
    complaints.expect("503")
    page = page_alone
    page.clock.install()
    page.reload()
    house.box.hold("it is being upgraded", 60)
    write(page, "Written during an upgrade.")
    expect(waiting(page)).to_have_count(1)
    page.clock.run_for(10_000)
    expect(waiting(page)).to_have_count(1)
    assert house.day() == ""
    hold.release(house.box.home)
    for _ in range(20):  # the answer that sets the next attempt's time comes in its own time
        page.clock.run_for(5_000)
        if written_today(page).count():
            break
    expect(written_today(page)).to_have_count(1)
    expect(waiting(page)).to_have_count(0)
    assert house.day().count("Written during an upgrade.") == 1


@pytest.mark.parametrize("answer", ["<h1>Hotel WiFi</h1>", '{"error": "log in first"}'])
def test_an_answer_that_is_not_the_boxs_own_keeps_the_note(page_alone: Page, answer: str) -> None:
    page = page_alone
    page.route("**/note", lambda route: route.fulfill(status=200, body=answer))
    write(page, "In the hotel.")
    expect(page.get_by_text("Waiting for a connection")).to_be_visible()
    expect(waiting(page)).to_have_count(1)
    page.unroute("**/note")
    page.reload()
    expect(written_today(page)).to_have_count(1)


def test_with_the_box_switched_off_notes_are_still_taken(
    house: Any, browser_page: Page, complaints: Any, picture: Any
) -> None:
    complaints.expect_outage()
    page = browser_page
    page.reload()  # so that the page came through the service worker, with the shell it keeps
    house.switch_off()
    page.goto(f"{house.url}/memory")
    expect(page.get_by_role("heading", name="Offline")).to_be_visible()
    picture(page, "offline-switched-off")
    write(page, "Written in the dark.")
    expect(waiting(page)).to_have_count(1)
    house.switch_on()
    page.get_by_role("link", name="Try again").click()
    expect(written_today(page)).to_have_count(1)
    assert house.day().count("Written in the dark.") == 1


def test_a_signed_out_browser_keeps_the_note_until_it_is_signed_in_again(
    house: Any, browser_page: Page, complaints: Any
) -> None:
    complaints.expect("401")
    page = browser_page
    for session in house.box.access.sessions():
        house.box.access.end_session(session.session_id)
    write(page, "Kept for later.")
    expect(waiting(page)).to_contain_text("Waits until you sign in again.")
    page.goto(house.link())
    page.wait_for_url(f"{house.url}/")
    expect(written_today(page).first).to_contain_text("Kept for later.")
    assert house.day().count("Kept for later.") == 1


def test_a_refused_note_stays_with_the_reason_and_can_be_changed(page_alone: Page, complaints: Any) -> None:
    complaints.expect("400")
    page = page_alone
    refusal = {"status": 400, "content_type": "application/json", "body": '{"error": "empty note"}'}
    page.route("**/note", lambda route: route.fulfill(**refusal))
    write(page, "Refused at first.")
    expect(waiting(page)).to_contain_text("empty note")
    page.unroute("**/note")
    page.get_by_role("button", name="Change it").click()
    expect(page.get_by_role("textbox", name="Note", exact=True)).to_have_value("Refused at first.")
    expect(waiting(page)).to_have_count(0)


def test_behind_a_proxy_that_says_the_box_is_down_the_offline_page_shows(
    house: Any, browser_page: Page, complaints: Any
) -> None:
    complaints.expect("502")
    page = browser_page
    page.reload()
    page.context.route("**/history", lambda route: route.fulfill(status=502, body="Bad Gateway"))
    page.goto(f"{house.url}/history")
    expect(page.get_by_role("heading", name="Offline")).to_be_visible()


def test_what_was_typed_survives_leaving_the_page(house: Any, browser_page: Page) -> None:
    page = browser_page
    page.get_by_role("textbox", name="Note", exact=True).fill("Half a thought")
    page.goto(f"{house.url}/history")
    page.goto(f"{house.url}/")
    expect(page.get_by_role("textbox", name="Note", exact=True)).to_have_value("Half a thought")


SHARE = """fields => {
    const form = Object.assign(document.createElement("form"), {method: "post", action: "/share"});
    for (const [name, value] of Object.entries(fields))
        form.append(Object.assign(document.createElement("input"), {name, value}));
    document.body.append(form);
    form.submit();
}"""
SHARED = {"title": "An article", "text": "Worth reading", "url": "https://news.example.org/1"}


def test_a_share_is_taken_by_the_service_worker_and_delivered_once(house: Any, browser_page: Page) -> None:
    page = browser_page
    page.reload()
    page.evaluate(SHARE, SHARED)
    expect(written_today(page)).to_have_count(1)
    assert page.url == f"{house.url}/"
    assert house.day().count("Worth reading") == 1
    assert "**An article** · from <https://news.example.org/1> · via share" in house.day()


def test_a_share_with_the_box_switched_off_waits(house: Any, browser_page: Page, complaints: Any) -> None:
    complaints.expect_outage()
    page = browser_page
    page.reload()
    house.switch_off()
    page.evaluate(SHARE, SHARED)
    expect(waiting(page)).to_contain_text("Worth reading")
    house.switch_on()
    page.get_by_role("link", name="Try again").click()
    expect(written_today(page)).to_have_count(1)
    assert house.day().count("Worth reading") == 1


def test_without_a_service_worker_a_share_fills_the_capture_box(house: Any, page_alone: Page) -> None:
    page = page_alone
    page.evaluate(SHARE, SHARED)
    page.wait_for_url(f"{house.url}/")
    expect(page.get_by_role("textbox", name="Note", exact=True)).to_have_value("Worth reading")
    expect(page.get_by_label("Title", exact=True)).to_have_value("An article")
    assert house.day() == ""


def test_forgetting_a_note_asks_and_then_removes_it(house: Any, browser_page: Page) -> None:
    page = browser_page
    write(page, "The alarm code is 4711.")
    expect(written_today(page)).to_have_count(1)
    page.get_by_label("What to do with the note of").click()
    page.get_by_role("button", name="Forget…").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget it").click()
    expect(page.get_by_text("Nothing written today.")).to_be_visible()
    assert "4711" not in house.day()


def test_a_box_that_asks_nobody_who_they_are_takes_notes_too(
    make_house: Callable[..., Any], make_context: Callable[..., BrowserContext]
) -> None:
    house = make_house(settings='[auth]\nmode = "disabled"\n')
    page = make_context().new_page()
    page.goto(f"{house.url}/")
    write(page, "No key, no sign-in.")
    expect(written_today(page)).to_have_count(1)
    assert house.day().count("No key, no sign-in.") == 1
