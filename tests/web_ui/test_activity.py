"""The page Activity: a job run now by a tap, seen until it is done."""

from collections.abc import Iterator
from typing import Any

import pytest

from appliance.daemon.schedule import Schedule


@pytest.fixture
def beat(house: Any) -> Iterator[Schedule]:
    schedule = Schedule(house.box, wait_for_time=lambda _stopping: None)
    schedule.start()
    yield schedule
    schedule.stop()


@pytest.mark.usefixtures("beat")
@pytest.mark.parametrize("browser_page", ["360"], indirect=True)
def test_a_job_runs_by_a_tap_and_says_what_it_did(browser_page: Any, house: Any) -> None:
    browser_page.goto(f"{house.url}/activity")
    row = browser_page.locator("#jobs li", has_text="cleanup")
    row.get_by_role("button", name="Run now").click()
    row.get_by_text("Nothing expires.").wait_for()
    row.get_by_text("ok").wait_for()
    assert row.get_by_role("button", name="Run now").is_enabled()


def test_a_job_that_nobody_runs_yet_is_shown_as_under_way(browser_page: Any, house: Any) -> None:
    browser_page.goto(f"{house.url}/activity")
    row = browser_page.locator("#jobs li", has_text="cleanup")
    row.get_by_role("button", name="Run now").click()
    row.get_by_text("running").wait_for()
    assert row.get_by_role("button", name="Run now").is_disabled()
