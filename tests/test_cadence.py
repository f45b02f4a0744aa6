"""When something is due, on ordinary days and on the nights when the clock shifts."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from appliance.cadence import Cadence, every_hours, parse

BERLIN = "Europe/Berlin"


def dues(cadence: Cadence, start: datetime, end: datetime) -> list[datetime]:
    """Every due moment after `start` and before `end`."""
    found, due = [], cadence.after(start)
    while due < end:
        found.append(due)
        due = cadence.after(due)
    return found


def night(day: str) -> tuple[datetime, datetime]:
    """From noon of the day before until noon of `day`, Berlin's clock."""
    noon = datetime.fromisoformat(f"{day} 12:00").replace(tzinfo=ZoneInfo(BERLIN))
    before = (noon.replace(tzinfo=None) - timedelta(days=1)).replace(tzinfo=ZoneInfo(BERLIN))
    return before.astimezone(UTC), noon.astimezone(UTC)


@pytest.mark.parametrize(
    ("words", "cron"),
    [
        ("hourly", "0 * * * *"),
        ("Daily", "0 0 * * *"),
        ("every 6 hours", "0 */6 * * *"),
        ("every hour", "0 * * * *"),
        ("every 24 hours", "0 0 * * *"),
        ("every minute", "* * * * *"),
        ("every 15 minutes", "*/15 * * * *"),
        ("23:55", "55 23 * * *"),
        ("daily at 7:05", "5 7 * * *"),
        ("Monday 09:00", "0 9 * * 1"),
        ("sun 04:30", "30 4 * * 0"),
        ("weekdays 08:00", "0 8 * * 1-5"),
        ("  55  23 * * * ", "55 23 * * *"),
    ],
)
def test_words_and_cron_are_understood(words: str, cron: str) -> None:
    assert parse(words, "UTC").cron == cron


@pytest.mark.parametrize(
    "words", ["", "whenever", "every 7 hours", "every 0 hours", "24:00", "12:60", "* * * *", "61 * * * *", "0 0 31 2 *"]
)
def test_what_is_no_time_is_refused_with_what_is_allowed(words: str) -> None:
    with pytest.raises(ValueError, match="allowed: cron"):
        parse(words, "UTC")


def test_times_are_of_the_configured_zone() -> None:
    due = parse("23:55", BERLIN).after(datetime(2026, 11, 20, 9, tzinfo=UTC))
    assert due == datetime(2026, 11, 20, 22, 55, tzinfo=UTC)


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
@pytest.mark.parametrize("words", ["02:00", "02:30", "03:00", "01:59"])
def test_a_daily_time_comes_once_in_a_night_with_a_shift(day: str, words: str) -> None:
    assert len(dues(parse(words, BERLIN), *night(day))) == 1


def test_a_time_that_a_shift_skips_is_due_at_the_shift() -> None:
    assert dues(parse("02:30", BERLIN), *night("2026-03-29")) == [datetime(2026, 3, 29, 1, tzinfo=UTC)]


def test_a_time_that_a_shift_repeats_is_due_the_first_time() -> None:
    assert dues(parse("02:30", BERLIN), *night("2026-10-25")) == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC)]


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
@pytest.mark.parametrize(("words", "apart"), [("hourly", 60), ("every 15 minutes", 15)])
def test_what_is_due_by_the_hour_keeps_its_distance_through_a_shift(day: str, words: str, apart: int) -> None:
    found = dues(parse(words, BERLIN), *night(day))
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(minutes=apart)}


def test_two_days_have_two_daily_dues_whatever_the_shift() -> None:
    start = datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert len(dues(parse("23:55", BERLIN), start, start + timedelta(days=2))) == 2


def test_the_last_due_moment_is_found_within_its_span_only() -> None:
    cadence = parse("09:00", "UTC")
    now = datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert cadence.last(now, timedelta(hours=1)) == datetime(2026, 11, 20, 9, tzinfo=UTC)
    assert cadence.last(now + timedelta(seconds=1), timedelta(hours=1)) is None
    assert cadence.last(datetime(2026, 11, 20, 9, tzinfo=UTC), timedelta(hours=1)) is not None


@pytest.mark.parametrize(("hours", "runs"), [(1, 24), (5, 5), (6, 4), (24, 1), (12, 2)])
def test_every_so_many_hours_is_at_the_same_hours_of_each_day(hours: int, runs: int) -> None:
    midnight = datetime(2026, 11, 19, 23, 0, tzinfo=UTC)
    day = (midnight - timedelta(minutes=1), midnight + timedelta(hours=23, minutes=59))
    found = dues(every_hours(hours, BERLIN), *day)
    assert len(found) == runs
    assert found[0] == midnight


def test_every_so_many_days_is_at_midnight() -> None:
    due = every_hours(168, "UTC").after(datetime(2026, 11, 2, tzinfo=UTC))
    assert due == datetime(2026, 11, 8, tzinfo=UTC)
