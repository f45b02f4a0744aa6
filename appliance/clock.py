"""Time, injected so that tests own it. Inside it is an aware UTC datetime or epoch milliseconds."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

Clock = Callable[[], datetime]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)  # whole numbers: floats lose milliseconds far from now, and year 9999 itself


def system_clock() -> datetime:
    """Now, as an aware UTC datetime."""
    return datetime.fromtimestamp(time.time(), UTC)


def to_ms(moment: datetime) -> int:
    """Epoch milliseconds of `moment`; one without zone is taken as UTC (contract memory-api, Scoring defaults)."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """The aware UTC datetime of epoch milliseconds; OverflowError before the year 1 and after 9999."""
    return _EPOCH + milliseconds * _MILLISECOND


def iso(milliseconds: int) -> str:
    """ISO 8601 with milliseconds and `Z`, the form used at every edge."""
    return from_ms(milliseconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local(moment: datetime, timezone: str) -> datetime:
    """`moment` in the configured IANA `timezone`, for day files and headings."""
    return moment.astimezone(ZoneInfo(timezone))
