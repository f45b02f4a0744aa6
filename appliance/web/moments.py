"""Times as pages write them: in the box's timezone, as short as is still clear."""

from dataclasses import dataclass
from datetime import datetime

from appliance.box import Box
from appliance.clock import from_ms, local


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time: `iso` for programs, `clock` 09:12, `short` with as much of the date as is needed, `full`."""

    iso: str
    clock: str
    short: str
    full: str
    day: str


def moment_of(milliseconds: int, box: Box) -> Moment:
    """The time `milliseconds` (epoch) as pages of `box` write it."""
    zone = box.config.core.timezone
    when, now = local(from_ms(milliseconds), zone), local(box.clock(), zone)
    clock = f"{when:%H:%M}"
    if when.date() == now.date():
        short = clock
    elif when.year == now.year:
        short = f"{when.day} {when:%b}, {clock}"
    else:
        short = f"{when.day} {when:%b %Y}"
    return Moment(
        when.isoformat(timespec="seconds"), clock, short, f"{day_name(when)}, {when:%H:%M:%S}", day_name(when)
    )


def day_name(when: datetime) -> str:
    """The day, written out: Friday 20 November 2026."""
    return f"{when:%A} {when.day} {when:%B %Y}"
