"""The times a question names ("last Tuesday", "in March", "2 weeks ago", "on 7 May 2023"), as spans of days.

Days are those of a time zone, that of the box. A day or month without a year is its last occurrence or, less likely,
one of those before.
"""

import calendar
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from appliance.clock import from_ms, to_ms
from appliance.text import STOP_WORDS, words

_YEARS_BACK = 4
_AFTERWARDS_MS = 3 * 86_400_000  # people tell of things a while after they happened
_TELLS_NOTHING = frozenset("happen happens happened happening new anything everything something".split())
_DAYS = [day.lower() for day in calendar.day_name]
_MONTHS = [month.lower() for month in calendar.month_name]  # from 1
_NUMBERS = {"a": 1, "an": 1} | {
    word: number for number, word in enumerate("one two three four five six seven eight nine ten".split(), start=1)
}
_UNITS = {"day": (1, 0), "week": (7, 3), "month": (30, 10), "year": (365, 45)}  # days, and how many of them either way
_WHEN = re.compile(r"\b(?:when|date|how long)\b", re.IGNORECASE)
_TIMES = re.compile(
    rf"\b(?:{'|'.join([*_DAYS, *_MONTHS[1:]])}|yesterday|today|midday|tonight|tomorrow|weekend"
    r"|(?:day|week|month|year)s?|ago|last|next|since|until|soon|recently|morning|afternoon|evening|spring|summer|autumn|fall|winter"
    r"|(?:19|20)\d\d)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Window:
    """A span that a question names: its words, first and last millisecond, and how likely it is meant, 0 to 1."""

    name: str
    first: int
    last: int
    likelihood: float = 1.0


def windows(text: str, now: int, zone: tzinfo = UTC) -> tuple[list[Window], bool]:
    """The times that `text` names, seen from `now` (epoch ms), and whether it asks for nothing but what was then.

    Days begin and end as they do in `zone`.
    """
    today = from_ms(now).astimezone(zone).date()
    found: list[Window] = []
    for form, spans in _FORMS:
        for match in form.finditer(text):
            found += _windows(match, spans, today, zone)
        text = form.sub(" ", text)
    said = [word for word in words(text) if word not in STOP_WORDS and word not in _TELLS_NOTHING]
    return found, bool(found) and not said


def nearness(at: int, named: Sequence[Window]) -> float:
    """How well a moment (epoch ms) fits the times a question names, 0 to 1; soon after one it fits half."""
    return max((_fit(at, window) for window in named), default=0.0)


def is_when(question: str) -> bool:
    """Whether a time is the answer to a question."""
    return _WHEN.search(question) is not None


def tells_when(text: str) -> bool:
    """Whether a text names a day, a season, a span or the like."""
    return _TIMES.search(text) is not None


def _fit(at: int, window: Window) -> float:
    if window.first <= at <= window.last:
        return window.likelihood
    afterwards = max(window.last - window.first, _AFTERWARDS_MS)
    return window.likelihood / 2 if window.last < at <= window.last + afterwards else 0.0


type _Span = tuple[date, date]  # first and last day
type _Spans = Callable[[re.Match[str], date], Iterator[_Span]]  # the likeliest first


def _windows(match: re.Match[str], spans: _Spans, today: date, zone: tzinfo) -> Iterator[Window]:
    name = " ".join(match.group().split())
    try:
        for before, (first, last) in enumerate(spans(match, today)):
            after = _midnight(last + timedelta(days=1), zone)
            yield Window(name, _midnight(first, zone), after - 1, 1 / (1 + before))
    except (ValueError, OverflowError):
        return  # 30 February, or before the first year: no time at all


def _midnight(day: date, zone: tzinfo) -> int:
    # Where the clock is put forward at midnight, this is the moment at which it is.
    return to_ms(datetime(day.year, day.month, day.day, tzinfo=zone))


def _of_month(year: int, month: int) -> _Span:
    return date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1])


def _day(match: re.Match[str], today: date) -> Iterator[_Span]:
    """7 May 2023, May 7th, 2023-05-07: a day of a year or of the last ones."""
    month = match["month"].lower()
    number = int(month) if month.isdigit() else _MONTHS.index(month)
    years = [int(match["year"])] if match["year"] else _years(today, (number, int(match["day"])))
    for year in years:
        day = date(year, number, int(match["day"]))
        yield day, day


def _month(match: re.Match[str], today: date) -> Iterator[_Span]:
    """May 2023, in May, last May."""
    number = _MONTHS.index(match["month"].lower())
    for year in [int(match["year"])] if match["year"] else _years(today, (number, 1)):
        yield _of_month(year, number)


def _years(today: date, day: tuple[int, int]) -> list[int]:
    latest = today.year - (day > (today.month, today.day))
    return [latest - before for before in range(_YEARS_BACK)]


def _year(match: re.Match[str], _today: date) -> Iterator[_Span]:
    yield date(int(match["year"]), 1, 1), date(int(match["year"]), 12, 31)


def _weekday(match: re.Match[str], today: date) -> Iterator[_Span]:
    """On Monday, last Monday: the last one before today."""
    back = (today.weekday() - _DAYS.index(match["weekday"].lower()) - 1) % 7 + 1
    yield today - timedelta(days=back), today - timedelta(days=back)


def _named_day(match: re.Match[str], today: date) -> Iterator[_Span]:
    name = match.group().lower()
    back = 0 if name.startswith("to") else 2 if "before" in name else 1
    yield today - timedelta(days=back), today - timedelta(days=back)


def _ago(match: re.Match[str], today: date) -> Iterator[_Span]:
    """Three weeks ago: that day, give or take some."""
    count = match["count"].lower()
    days, spread = _UNITS[match["unit"].lower()]
    middle = today - timedelta(days=days * (_NUMBERS.get(count) or int(count)))
    yield middle - timedelta(days=spread), middle + timedelta(days=spread)


def _period(match: re.Match[str], today: date) -> Iterator[_Span]:
    """This week, last month, past year: by the calendar."""
    back = 0 if match["which"].lower() == "this" else 1
    unit = match["unit"].lower()
    if unit.startswith("week"):
        monday = today - timedelta(days=today.weekday() + 7 * back)
        first = monday + timedelta(days=5) if unit == "weekend" else monday
        yield first, monday + timedelta(days=6)
    elif unit == "month":
        month = today.year * 12 + today.month - 1 - back
        yield _of_month(month // 12, month % 12 + 1)
    else:
        yield date(today.year - back, 1, 1), date(today.year - back, 12, 31)


_MONTH = rf"(?P<month>{'|'.join(_MONTHS[1:])})"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
# In this order: each takes its words away from those that follow. May and March alone may be no months.
_FORMS: tuple[tuple[re.Pattern[str], _Spans], ...] = tuple(
    (re.compile(rf"\b(?:{form})\b", re.IGNORECASE), spans)
    for form, spans in (
        (r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)", _day),
        (rf"{_DAY}(?: of)? {_MONTH}(?:,? {_YEAR})?", _day),
        (rf"{_MONTH} {_DAY}(?:,? {_YEAR})?", _day),
        (rf"{_MONTH},? {_YEAR}", _month),
        (rf"(?:in|last|since|during|of|early|late) {_MONTH}(?P<year>(?!))?", _month),
        (rf"(?:in|since|during) {_YEAR}", _year),
        (r"(?:the )?day before yesterday|yesterday|today|tonight", _named_day),
        (rf"(?:on|last|this|past) (?P<weekday>{'|'.join(_DAYS)})", _weekday),
        (rf"(?P<count>\d{{1,3}}|{'|'.join(_NUMBERS)}) (?P<unit>day|week|month|year)s? ago", _ago),
        (r"(?P<which>this|last|past) (?P<unit>weekend|week|month|year)", _period),
    )
)
