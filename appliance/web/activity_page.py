"""The page Activity: how the memory grows, how fast it answers, what runs on its own (contract memory-api, Metrics)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from appliance.box import Box
from appliance.clock import local, to_ms
from appliance.daemon.schedule import overview
from appliance.metrics import SLOT_SECONDS, Slot
from appliance.web import charts
from appliance.web.endpoint import Request, View, page, render
from appliance.web.moments import Moment, moment_of

GROWTH_DAYS = 30
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Growth:
    """The chart of new items: the total, those of the last seven days, a bar a day, and the scale's end."""

    total: int
    week: int
    bars: list[charts.Bar]
    highest: int
    first_day: str


@dataclass(frozen=True, slots=True)
class Speed:
    """The chart of recall's last day: a curve for the median and one for 95 of 100, and the scale's end, all in ms."""

    count: int
    median: float
    slowest: float
    p50: list[str]
    p95: list[str]
    highest: float
    hours: list[str]


@dataclass(frozen=True, slots=True)
class Job:
    """What runs on its own: when, its last run (`outcome` ok, failed, running or empty), and the next.

    `busy`: it runs, or is about to because somebody asked.
    """

    name: str
    words: str
    outcome: str
    detail: str
    last: Moment | None
    next: Moment | None
    busy: bool


@page("/activity")
def activity(request: Request) -> View:
    """Activity: the memory's growth, recall's speed, jobs."""
    box = request.box
    return render(
        "activity.html",
        growth=_growth(request),
        speed=_speed(box.metrics.course(), box),
        jobs=_jobs(box),
        queue=box.jobs.counts(request.principal),
    )


def _growth(request: Request) -> Growth:
    grown = request.box.memory.growth(request.principal, GROWTH_DAYS)
    today = request.box.clock().date()
    days = [today - timedelta(days=back) for back in reversed(range(GROWTH_DAYS))]
    labels = [f"{day.day} {day:%B}: {count} new" for day, count in zip(days, grown.per_day, strict=True)]
    highest = int(charts.rounded_up(max(grown.per_day)))
    first = f"{days[0].day} {days[0]:%b}"
    return Growth(grown.total, sum(grown.per_day[-7:]), charts.bars(grown.per_day, labels, highest), highest, first)


def _speed(slots: Sequence[Slot], box: Box) -> Speed:
    now = box.clock()
    since = now - _DAY
    shown = [slot for slot in slots if slot.began * 1000 >= to_ms(since)]
    highest = charts.rounded_up(max((slot.p95_ms for slot in shown), default=0.0))
    at = [(slot.began - since.timestamp()) / _DAY.total_seconds() for slot in shown]
    gap = 2.5 * SLOT_SECONDS / _DAY.total_seconds()
    zone = box.config.core.timezone
    return Speed(
        sum(slot.count for slot in shown),
        max((slot.p50_ms for slot in shown), default=0.0),
        max((slot.p95_ms for slot in shown), default=0.0),
        charts.lines([(x, slot.p50_ms) for x, slot in zip(at, shown, strict=True)], gap, highest),
        charts.lines([(x, slot.p95_ms) for x, slot in zip(at, shown, strict=True)], gap, highest),
        highest,
        [f"{local(since + quarter * _DAY / 4, zone):%H:%M}" for quarter in range(5)],
    )


def _jobs(box: Box) -> list[Job]:
    def moment(iso: object) -> Moment | None:
        return moment_of(to_ms(datetime.fromisoformat(str(iso))), box) if iso else None

    return [
        Job(
            str(row["name"]),
            str(row["schedule"]),
            str(row["outcome"]),
            str(row["detail"]),
            moment(row["last_run"]),
            moment(row["next_run"]),
            bool(row["asked"]) or row["outcome"] == "running",
        )
        for row in overview(box)
    ]
