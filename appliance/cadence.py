"""When something is due: cron syntax or words, in a time zone, safe across daylight-saving shifts."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter

ALLOWED = 'cron ("55 23 * * *") or words: hourly, daily, weekly, monthly, every 6 hours, 23:55, Monday 09:00'

_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_WORDS = {"hourly": "0 * * * *", "daily": "0 0 * * *", "weekly": "0 0 * * 0", "monthly": "0 0 1 * *"}
_EVERY = re.compile(r"every (?:(\d+) )?(minute|hour|day)s?")
_TIME = re.compile(r"(?:(daily|every day|[a-z]+day|sun|mon|tue|wed|thu|fri|sat)s?,? )?(?:at )?(\d{1,2}):(\d\d)")


@dataclass(frozen=True)
class Cadence:
    """A repeating moment: five cron fields, read on the clock of `timezone`."""

    cron: str
    timezone: str

    def after(self, moment: datetime) -> datetime:
        """The first due moment (UTC) later than `moment`.

        Each wall-clock time counts once: one that a shift skips is due at the shift, one that a shift repeats is due
        the first time only. An hourly job keeps its hours apart on both nights, because whole hours are counted in UTC.
        """
        zone = ZoneInfo(self.timezone)
        if _is_wildcard_hour(self.cron):
            return _after_by_the_hour(self.cron, moment, zone)
        wall = moment.astimezone(zone).replace(tzinfo=None, fold=0)
        # A day back: on a shift's night the wall clock does not order moments.
        dues = croniter(self.cron, wall - timedelta(days=1))
        while True:
            due = _instant(dues.get_next(datetime), zone)
            if due > moment:
                return due

    def last(self, moment: datetime, within: timedelta) -> datetime | None:
        """The latest due moment at or before `moment` and not older than `within`; None when there is none."""
        found = None
        due = self.after(moment - within - timedelta(microseconds=1))
        while due <= moment:
            found, due = due, self.after(due)
        return found


def parse(text: str, timezone: str) -> Cadence:
    """The cadence that `text` says.

    Raises:
        ValueError: `text` is neither cron nor words that are known; ALLOWED says what is.
    """
    cron = _cron(" ".join(text.lower().split()))
    if cron is None or not croniter.is_valid(cron) or not _ever(cron):
        raise ValueError(f"{text!r} is not a time to run at; allowed: {ALLOWED}")
    return Cadence(cron, timezone)


def every_hours(hours: int, timezone: str) -> Cadence:
    """About every so many `hours`: at the same hours of each day, or at midnight of every so many days."""
    if hours <= 24:
        return Cadence(f"0 {','.join(map(str, range(0, 24, hours)))} * * *", timezone)
    return Cadence(f"0 0 */{min(hours // 24, 28)} * *", timezone)


def _cron(words: str) -> str | None:
    if words in _WORDS:
        return _WORDS[words]
    if every := _EVERY.fullmatch(words):
        return _every(int(every[1] or 1), every[2])
    if time := _TIME.fullmatch(words):
        return _at(time[1] or "daily", int(time[2]), int(time[3]))
    return words if len(words.split()) == 5 else None


def _every(count: int, unit: str) -> str | None:
    limit = {"minute": 60, "hour": 24, "day": 1}[unit]
    if not 1 <= count <= limit or limit % count:
        return None  # "every 7 hours" has no steady place in a day
    if count == 1 and unit != "day":
        return {"minute": "* * * * *", "hour": "0 * * * *"}[unit]
    if count == limit:
        return {"minute": "0 * * * *", "hour": "0 0 * * *", "day": "0 0 * * *"}[unit]
    return f"*/{count} * * * *" if unit == "minute" else f"0 */{count} * * *"


def _at(day: str, hour: int, minute: int) -> str | None:
    if hour > 23 or minute > 59:
        return None
    if day in ("daily", "every day"):
        return f"{minute} {hour} * * *"
    if day == "weekday":
        return f"{minute} {hour} * * 1-5"
    number = next((index for index, name in enumerate(_DAYS) if day in (name, name[:3])), None)
    return None if number is None else f"{minute} {hour} * * {number}"


def _ever(cron: str) -> bool:
    """Whether such a date exists: 31 February does not."""
    try:
        croniter(cron, datetime(2026, 1, 1, tzinfo=UTC)).get_next(datetime)
    except (ValueError, KeyError):  # croniter's errors are both
        return False
    return True


def _is_wildcard_hour(cron: str) -> bool:
    minute, hour, *date = cron.split()
    return hour == "*" and (date == ["*", "*", "*"] or minute.startswith("*"))


def _after_by_the_hour(cron: str, moment: datetime, zone: ZoneInfo) -> datetime:
    """The next due moment of something that is due in every hour: the minutes of an hour do not shift.

    Zones are apart from UTC by whole quarter hours, so the offset is kept while counting.
    """
    offset = moment.astimezone(zone).utcoffset() or timedelta()
    wall = moment.astimezone(UTC).replace(tzinfo=None) + offset
    due: datetime = croniter(cron, wall).get_next(datetime)
    return (due - offset).replace(tzinfo=UTC)


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The UTC moment at which the clock in `zone` first reaches `wall`."""
    due = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if due.astimezone(zone).replace(tzinfo=None) == wall:
        return due
    # Skipped by a shift: the clock reaches it when it jumps over it.
    return _shift_before(due, zone)


def _shift_before(moment: datetime, zone: ZoneInfo) -> datetime:
    """The moment of the shift at or shortly before `moment`, to the second."""
    early, late = moment - timedelta(hours=4), moment
    offset = late.astimezone(zone).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) / 2
        if middle.astimezone(zone).utcoffset() == offset:
            late = middle
        else:
            early = middle
    return late.replace(microsecond=0)
